/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet.h"

#include <string.h>

static void
put_bit(struct sl_meta *meta, enum sl_slot slot, bool is_present)
{
	const uint64_t bit = (uint64_t)1 << slot;

	meta->present = is_present ? meta->present | bit : meta->present & ~bit;
}

/* --- Texts. --- */

static struct text *
next_text(struct generator *g)
{
	struct text *text = &g->texts[g->n_texts++ % TEXTS_MAX];

	text->blob = (struct sl_blob){.bytes = (const uint8_t *)text->bytes};
	return text;
}

static void
put_text(struct sl_meta *meta, enum sl_slot slot, const struct text *text)
{
	const struct sl_blob *blob = &text->blob;

	memcpy((uint8_t *)meta + sl_slot_info[slot].offset, &blob, sizeof(blob));
	put_bit(meta, slot, true);
}

static void
add_bytes(struct text *text, const void *bytes, size_t n)
{
	n = SL_MIN(n, sizeof(text->bytes) - text->blob.len);
	memcpy(text->bytes + text->blob.len, bytes, n);
	text->blob.len += (uint32_t)n;
}

static void
random_text(struct generator *g, struct sl_meta *meta, enum sl_slot slot)
{
	const struct sl_blob *blob = &g->blobs[random_below(&g->random, BLOBS_MAX)];
	struct text *text = next_text(g);

	add_bytes(text, blob->bytes, blob->len);
	put_text(meta, slot, text);
}

/* The condition's text itself, shorter or longer, at either end. */
static void
aim_text(struct generator *g, const struct sl_condition_value *value, struct sl_meta *meta,
	enum sl_slot slot)
{
	const uint32_t dice = random_below(&g->random, 8);
	struct text *text = next_text(g);

	if (dice >= 6)
		add_bytes(text, dice == 6 ? "a" : "bab", dice == 6 ? 1 : 3);
	add_bytes(text, value->text, value->text_len - (dice == 0));
	if (dice == 1)
		add_bytes(text, "a", 1);
	if (dice == 2)
		text->bytes[random_below(&g->random, text->blob.len)] ^= 1;
	put_text(meta, slot, text);
}

/* --- Random packets. --- */

static void
random_slot(struct generator *g, struct sl_meta *meta, enum sl_slot slot)
{
	const struct corners *corners = &g->corners[slot];
	const uint32_t bits = slot_bits(slot);
	u128 value;

	if (bits == 0) {
		random_text(g, meta, slot);
		return;
	}
	if (corners->n > 0 && random_chance(&g->random, 90))
		value = corners->list[random_below(&g->random, corners->n)] +
			random_below(&g->random, 3) - 1;
	else
		value = u128_random(&g->random, bits);
	u128_to_slot(value & u128_max(bits), meta, slot);
	put_bit(meta, slot, true);
}

static void
put_garbage(struct generator *g, struct sl_meta *meta)
{
	uint64_t words[sizeof(*meta) / sizeof(uint64_t)];

	for (uint32_t i = 0; i < SL_ARRAY_LEN(words); i++)
		words[i] = random_next(&g->random);
	memcpy(meta, words, sizeof(*meta));
	/* Slots that the layer does not know are mostly absent. */
	meta->present &= random_next(&g->random);
}

void
generator_meta(struct generator *g, struct sl_meta *meta)
{
	put_garbage(g, meta);
	for (uint32_t i = 0; i < g->n_slots; i++) {
		const uint32_t dice = random_below(&g->random, 100);

		if (dice >= 4)
			random_slot(g, meta, g->slots[i]);
		/* Absent with garbage, and absent with a value that filters know. */
		if (dice < 8)
			put_bit(meta, g->slots[i], false);
	}
}

/* --- Packets for filters. --- */

/* An end of [low, high], a value between or one just outside. */
static u128
near_range(struct generator *g, u128 low, u128 high)
{
	const uint32_t dice = random_below(&g->random, 16);

	switch (dice) {
	case 0:
		return low - 1;
	case 1:
		return high + 1;
	case 2:
	case 3:
		return low + u128_random(&g->random, 128) % (high - low + (high - low != ~(u128)0));
	default:
		return dice < 10 ? low : high;
	}
}

/* The flags themselves, more, one less, none, or all others. */
static u128
near_flags(struct generator *g, u128 flags)
{
	const u128 bit = (u128)1 << random_below(&g->random, 32);

	switch (random_below(&g->random, 6)) {
	case 0:
		return flags | bit;
	case 1:
		return flags & ~bit;
	case 2:
		return flags & (flags - 1);
	case 3:
		return ~flags;
	case 4:
		return ~flags ^ bit;
	default:
		return flags;
	}
}

static u128
near_set(struct generator *g, const struct sl_set *set)
{
	const struct sl_set_range *range;

	if (set->n_elements == 0)
		return u128_random(&g->random, 128);
	range = &set->elements[random_below(&g->random, (uint32_t)set->n_elements)];
	return near_range(g, u128_of_bytes(range->low, 16), u128_of_bytes(range->high, 16));
}

static u128
near_value(struct generator *g, const struct sl_condition *condition, uint32_t bits)
{
	const struct sl_condition_value *value = &condition->value;
	u128 low;

	switch (value->type) {
	case SLUICE_TYPE_RANGE:
		return near_range(g, u128_of_scalar(value->range_type, &value->low),
			u128_of_scalar(value->range_type, &value->high));
	case SLUICE_TYPE_V4_ADDR_MASK:
		low = value->low.number;
		return near_range(g, low, low | (uint32_t)~value->high.number);
	case SLUICE_TYPE_V6_ADDR_MASK:
		low = u128_of_bytes(value->low.bytes, 16);
		return near_range(g, low, low | u128_max(bits - value->prefix_len));
	default:
		low = u128_of_scalar(value->type, &value->low);
	}
	if (condition->match == SL_MATCH_EQUAL)
		return near_range(g, low, low);
	if (condition->match >= SL_MATCH_FLAGS_ALL_SET &&
		condition->match <= SL_MATCH_FLAGS_NONE_SET)
		return near_flags(g, low);
	return random_chance(&g->random, 20) ? u128_random(&g->random, bits)
					     : low + random_below(&g->random, 3) - 1;
}

static void
turn_slot(struct generator *g, const struct sl_condition *condition, const struct sl_set *set,
	enum sl_slot slot, struct sl_meta *meta)
{
	const uint32_t bits = slot_bits(slot);
	u128 value;

	if (condition->value.type == SLUICE_TYPE_EMPTY) {
		if (condition->match == SL_MATCH_EQUAL)
			put_bit(meta, slot, false);
		else if (!sl_meta_has(meta, slot))
			random_slot(g, meta, slot);
		return;
	}
	if (bits == 0) {
		aim_text(g, &condition->value, meta, slot);
		return;
	}
	value = set != NULL ? near_set(g, set) : near_value(g, condition, bits);
	u128_to_slot(value & u128_max(bits), meta, slot);
	/* A value that would match, in a field that is absent. */
	put_bit(meta, slot, !random_chance(&g->random, 2));
}

void
packet_turn(struct generator *g, const struct sl_filter_run *filter, uint32_t percent,
	struct sl_meta *meta)
{
	const struct sl_filter *object = filter->object;
	uint16_t n_alternatives[SLUICE_FIELD_COUNT] = {0};
	uint16_t chosen[SLUICE_FIELD_COUNT];

	for (uint16_t i = 0; i < object->n_conditions; i++) {
		const enum sluice_field field = object->conditions[i].field;

		if (random_below(&g->random, ++n_alternatives[field]) == 0)
			chosen[field] = i;
	}
	for (uint16_t i = 0; i < object->n_conditions; i++) {
		const struct sl_condition *condition = &object->conditions[i];
		const enum sl_slot slot = sl_meta_slot(object->layer, condition->field);

		if (chosen[condition->field] == i && slot != SL_SLOT_NONE &&
			random_chance(&g->random, percent))
			turn_slot(g, condition, filter->sets == NULL ? NULL : filter->sets[i], slot,
				meta);
	}
}

void
targets_init(struct targets *targets, const struct sl_layer_program *program)
{
	struct sl_filter_walk walk = {.layer = program};
	uint32_t n_max = 64;
	uint32_t rank;

	*targets = (struct targets){.program = program};
	targets->ranks = must(malloc(n_max * sizeof(*targets->ranks)));
	while (sl_filter_walk_next(&walk, &rank)) {
		if (targets->n == n_max)
			targets->ranks = must(
				realloc(targets->ranks, (n_max *= 2) * sizeof(*targets->ranks)));
		targets->ranks[targets->n++] = rank;
	}
}

void
targets_fini(struct targets *targets)
{
	free(targets->ranks);
	targets->ranks = NULL;
}

static const struct sl_filter_run *
any_target(struct generator *g, const struct targets *targets)
{
	return &targets->program->filters[targets->ranks[random_below(&g->random, targets->n)]];
}

void
packet_aim(struct generator *g, const struct targets *targets, struct sl_meta *meta)
{
	generator_meta(g, meta);
	packet_turn(g, any_target(g, targets), 97, meta);
	if (random_chance(&g->random, 35))
		packet_turn(g, any_target(g, targets), 50, meta);
}
