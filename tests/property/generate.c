/* SPDX-License-Identifier: BSD-3-Clause */
#include "generate.h"

#include <stdio.h>
#include <string.h>

#define CALLOUT_KEY "callout"

static void
die(const char *what, const char *text)
{
	fprintf(stderr, "%s: %s\n", what, text);
	abort();
}

static void *
must(void *pointer)
{
	if (pointer == NULL)
		die("generator", "out of memory");
	return pointer;
}

const struct sl_layer *
generator_layer(uint32_t i)
{
	uint32_t n;
	const struct sl_layer *const *layers = sl_layer_list(&n);

	for (uint32_t at = 0;; at = (at + 1) % n) {
		if (layers[at]->status == SL_LAYER_WORKING && i-- == 0)
			return layers[at];
	}
}

/* --- Numbers of up to 16 bytes. --- */

static void
number_to(uint8_t to[16], uint64_t number)
{
	memset(to, 0, 16);
	for (int i = 0; i < 8; i++)
		to[15 - i] = (uint8_t)(number >> 8 * i);
}

static uint64_t
number_of(const uint8_t from[16])
{
	uint64_t number = 0;

	for (int i = 8; i < 16; i++)
		number = number << 8 | from[i];
	return number;
}

/* Adds -1, 0 or 1 to the lowest `size` bytes, which wrap. */
static void
number_step(uint8_t number[16], uint32_t size, int step)
{
	for (uint32_t i = 16; i-- > 16 - size && step != 0;) {
		const int sum = number[i] + step;

		number[i] = (uint8_t)sum;
		step = sum < 0 ? -1 : sum > 255;
	}
}

/* Turns all bits below the first `kept` of the lowest `size` bytes to `bit`. */
static void
number_fill(uint8_t number[16], uint32_t size, uint32_t kept, bool bit)
{
	for (uint32_t i = kept; i < size * 8; i++) {
		uint8_t *byte = &number[16 - size + i / 8];
		const uint8_t mask = (uint8_t)(0x80 >> i % 8);

		*byte = (uint8_t)(bit ? *byte | mask : *byte & ~mask);
	}
}

static void
number_random(struct random *random, uint8_t to[16], uint32_t size)
{
	memset(to, 0, 16);
	for (uint32_t i = 16 - size; i < 16; i++)
		to[i] = (uint8_t)random_next(random);
	/* Small numbers are what most fields hold. */
	if (random_chance(random, 30))
		number_fill(to, 16, 0, false), to[15] = (uint8_t)random_below(random, 8);
	else if (random_chance(random, 5))
		number_fill(to, size, 0, true);
}

/* --- Corners. --- */

static void
corner_add(struct generator *g, enum sl_slot slot, const uint8_t number[16])
{
	struct corners *corners;
	uint32_t at;

	if (slot == SL_SLOT_NONE)
		return;
	corners = &g->corners[slot];
	at = corners->n < CORNERS_MAX ? corners->n++ : random_below(&g->random, CORNERS_MAX);
	memcpy(corners->list[at], number, 16);
}

/* A value that conditions of the slot use already, or a new one that they will use again. */
static void
pick(struct generator *g, enum sl_slot slot, uint8_t to[16])
{
	const struct corners *corners = slot == SL_SLOT_NONE ? NULL : &g->corners[slot];
	const uint32_t size = slot == SL_SLOT_NONE ? 4 : sl_slot_info[slot].size;

	if (corners != NULL && corners->n > 0 && random_chance(&g->random, 75)) {
		memcpy(to, corners->list[random_below(&g->random, corners->n)], 16);
		if (random_chance(&g->random, 20))
			number_step(to, size, random_chance(&g->random, 50) ? 1 : -1);
	} else {
		number_random(&g->random, to, size);
	}
	corner_add(g, slot, to);
}

/* --- Conditions. --- */

static void
set_scalar(union sl_scalar *scalar, const struct sl_layer_field *field, const uint8_t number[16])
{
	if (field->type == SLUICE_TYPE_BYTE_ARRAY16)
		memcpy(scalar->bytes, number, 16);
	else if (field->type == SLUICE_TYPE_BYTE_ARRAY6)
		memcpy(scalar->bytes, number + 10, 6);
	else
		scalar->number = number_of(number);
}

static void
make_range(struct generator *g, const struct sl_layer_field *field, enum sl_slot slot,
	struct sl_condition *condition)
{
	uint8_t a[16];
	uint8_t b[16];
	const uint32_t size = slot == SL_SLOT_NONE ? 4 : sl_slot_info[slot].size;

	pick(g, slot, a);
	if (random_chance(&g->random, 50)) {
		pick(g, slot, b);
	} else {
		/* An aligned block, as prefixes and port ranges often are. */
		const uint32_t kept = random_below(&g->random, size * 8 + 1);

		memcpy(b, a, 16);
		number_fill(a, size, kept, false);
		number_fill(b, size, kept, true);
		corner_add(g, slot, a);
		corner_add(g, slot, b);
	}
	condition->match = SL_MATCH_RANGE;
	condition->value.type = SLUICE_TYPE_RANGE;
	condition->value.range_type = field->type;
	set_scalar(&condition->value.low, field, memcmp(a, b, 16) <= 0 ? a : b);
	set_scalar(&condition->value.high, field, memcmp(a, b, 16) <= 0 ? b : a);
}

static void
make_prefix(struct generator *g, const struct sl_layer_field *field, enum sl_slot slot,
	struct sl_condition *condition)
{
	const uint32_t size = field->type == SLUICE_TYPE_BYTE_ARRAY16 ? 16 : 4;
	const uint32_t len = random_below(&g->random, size * 8 + 1);
	uint8_t number[16];

	pick(g, slot, number);
	number_fill(number, size, len, false);
	corner_add(g, slot, number);
	condition->match = random_chance(&g->random, 85) ? SL_MATCH_EQUAL : SL_MATCH_NOT_EQUAL;
	set_scalar(&condition->value.low, field, number);
	if (size == 16) {
		condition->value.type = SLUICE_TYPE_V6_ADDR_MASK;
		condition->value.prefix_len = (uint8_t)len;
	} else {
		condition->value.type = SLUICE_TYPE_V4_ADDR_MASK;
		condition->value.high.number = len == 0 ? 0 : (uint32_t)(UINT32_MAX << (32 - len));
	}
	number_fill(number, size, len, true);
	corner_add(g, slot, number);
}

static void
make_flags(struct generator *g, const struct sl_layer_field *field, enum sl_slot slot,
	struct sl_condition *condition)
{
	uint8_t number[16];
	const uint32_t size = slot == SL_SLOT_NONE ? 4 : sl_slot_info[slot].size;

	if (random_chance(&g->random, 70)) {
		number_to(number, (uint64_t)1 << random_below(&g->random, size * 8));
		number[15] |= (uint8_t)(1u << random_below(&g->random, 8));
	} else {
		pick(g, slot, number);
	}
	corner_add(g, slot, number);
	condition->match = (enum sl_match)(SL_MATCH_FLAGS_ALL_SET + random_below(&g->random, 3));
	condition->value.type = field->type;
	set_scalar(&condition->value.low, field, number);
}

static void
make_scalar(struct generator *g, const struct sl_layer_field *field, enum sl_slot slot,
	struct sl_condition *condition)
{
	static const enum sl_match orders[] = {SL_MATCH_EQUAL, SL_MATCH_EQUAL, SL_MATCH_EQUAL,
		SL_MATCH_NOT_EQUAL, SL_MATCH_GREATER, SL_MATCH_LESS, SL_MATCH_GREATER_OR_EQUAL,
		SL_MATCH_LESS_OR_EQUAL};
	const bool is_mac = field->type == SLUICE_TYPE_BYTE_ARRAY6;
	uint8_t number[16];

	pick(g, slot, number);
	condition->match = orders[random_below(&g->random, is_mac ? 4 : SL_ARRAY_LEN(orders))];
	condition->value.type = field->type;
	set_scalar(&condition->value.low, field, number);
}

static bool
make_in_set(struct generator *g, const struct sl_layer_field *field, struct sl_condition *condition)
{
	enum sl_set_type wanted;
	uint32_t at;
	char key[16];

	if (g->n_sets == 0 || !sl_set_type_of_field(field, &wanted))
		return false;
	at = random_below(&g->random, g->n_sets);
	for (uint32_t i = 0; i < g->n_sets && g->set_types[at] != wanted; i++)
		at = (at + 1) % g->n_sets;
	if (g->set_types[at] != wanted)
		return false;
	snprintf(key, sizeof(key), "set%u", at);
	condition->match = random_chance(&g->random, 70) ? SL_MATCH_IN_SET : SL_MATCH_NOT_IN_SET;
	condition->value.type = SLUICE_TYPE_SET;
	condition->value.text = must(strdup(key));
	condition->value.text_len = strlen(key);
	return true;
}

static void
make_text(struct generator *g, struct sl_condition *condition)
{
	static const enum sl_match matches[] = {SL_MATCH_EQUAL, SL_MATCH_NOT_EQUAL,
		SL_MATCH_GREATER, SL_MATCH_LESS, SL_MATCH_GREATER_OR_EQUAL, SL_MATCH_LESS_OR_EQUAL,
		SL_MATCH_SUFFIX, SL_MATCH_NOT_SUFFIX};
	const struct sl_blob *blob = &g->blobs[random_below(&g->random, BLOBS_MAX)];
	const uint32_t skip = blob->len == 0 ? 0 : random_below(&g->random, blob->len);
	const uint32_t len = blob->len - skip;

	condition->match = matches[random_below(&g->random, SL_ARRAY_LEN(matches))];
	condition->value.type = SLUICE_TYPE_BYTE_BLOB;
	condition->value.text = must(calloc(1, (size_t)len + 2));
	memcpy(condition->value.text, blob->bytes + skip, len);
	/* An empty text is no value; a longer one than any packet's is. */
	if (len == 0 || random_chance(&g->random, 10))
		condition->value.text[len] = 'x';
	condition->value.text_len = strlen(condition->value.text);
}

static void
make_condition(
	struct generator *g, const struct sl_layer_field *field, struct sl_condition *condition)
{
	const enum sl_slot slot = sl_meta_slot(g->layer, field->field);
	const bool is_address = field->type == SLUICE_TYPE_BYTE_ARRAY16 ||
		slot == SL_SLOT_IP4_SRC || slot == SL_SLOT_IP4_DST ||
		slot == SL_SLOT_EMB_IP4_REMOTE;
	const uint32_t kind = random_below(&g->random, 100);

	condition->field = field->field;
	if (kind < 8) {
		condition->match =
			random_chance(&g->random, 60) ? SL_MATCH_EQUAL : SL_MATCH_NOT_EQUAL;
		condition->value.type = SLUICE_TYPE_EMPTY;
	} else if (field->type == SLUICE_TYPE_BYTE_BLOB) {
		make_text(g, condition);
	} else if (kind < 20 && make_in_set(g, field, condition)) {
		return;
	} else if (field->type == SLUICE_TYPE_BYTE_ARRAY6) {
		make_scalar(g, field, slot, condition);
	} else if (is_address && kind < 60) {
		make_prefix(g, field, slot, condition);
	} else if (!is_address && kind < 35) {
		make_flags(g, field, slot, condition);
	} else if (kind < 70) {
		make_range(g, field, slot, condition);
	} else {
		make_scalar(g, field, slot, condition);
	}
}

/* --- Objects. --- */

static void
finish(struct sl_object *object)
{
	struct sl_problems problems = {0};

	if (!sl_object_finish(object, "", &problems))
		die(problems.list[0].pointer, problems.list[0].detail);
	sl_problems_fini(&problems);
}

static void
add(struct generator *g, struct sl_object *object)
{
	struct sl_error err = {0};

	finish(object);
	if (sl_policy_add(g->policy, object, &err) != 0)
		die("sl_policy_add", err.text);
}

static struct sl_object *
named(enum sl_object_type type, const char *prefix, uint32_t number)
{
	struct sl_object *object = must(sl_object_new(type));
	char key[32];

	snprintf(key, sizeof(key), "%s%u", prefix, number);
	object->key = must(strdup(key));
	object->name = must(strdup(key));
	return object;
}

static void
add_sublayers(struct generator *g)
{
	g->n_sublayers = random_chance(&g->random, 40) ? 1 : 1 + random_below(&g->random, 6);
	if (random_chance(&g->random, 3))
		g->n_sublayers = 60;
	for (uint32_t i = 0; i < g->n_sublayers; i++) {
		struct sl_object *object = named(SL_OBJECT_SUBLAYER, "sublayer", i);

		/* Equal weights are legal: the older one comes first. */
		sl_sublayer_of(object)->weight = (uint16_t)(1 + random_below(&g->random, 12));
		add(g, object);
	}
}

/* A slot that holds what a set of that type holds, for values that packets will have. */
static enum sl_slot
slot_of_set(struct generator *g, enum sl_set_type type)
{
	enum sl_slot slot = SL_SLOT_NONE;

	for (uint32_t i = 0; i < g->layer->n_fields; i++) {
		const struct sl_layer_field *field = &g->layer->fields[i];
		enum sl_set_type of_field;

		if (!field->available || !sl_set_type_of_field(field, &of_field) ||
			of_field != type)
			continue;
		if (slot == SL_SLOT_NONE || random_chance(&g->random, 40))
			slot = sl_meta_slot(g->layer, field->field);
	}
	return slot;
}

static void
fill_set(struct generator *g, struct sl_set *set)
{
	static const uint8_t sizes[SL_SET_TYPE_COUNT] = {[SL_SET_V4_PREFIX] = 4,
		[SL_SET_V6_PREFIX] = 16,
		[SL_SET_MAC] = 6,
		[SL_SET_UINT8] = 1,
		[SL_SET_UINT16] = 2,
		[SL_SET_UINT32] = 4};
	const uint32_t size = sizes[set->set_type];
	const enum sl_slot slot = slot_of_set(g, set->set_type);
	const bool is_exact = set->set_type == SL_SET_MAC;

	set->n_elements = random_chance(&g->random, 80) ? random_below(&g->random, 12)
							: random_below(&g->random, 400);
	set->elements = must(calloc(set->n_elements + 1, sizeof(*set->elements)));
	for (size_t i = 0; i < set->n_elements; i++) {
		struct sl_set_range *range = &set->elements[i];
		const uint32_t kept = is_exact ? size * 8 : random_below(&g->random, size * 8 + 1);

		if (slot == SL_SLOT_NONE)
			number_random(&g->random, range->low, size);
		else
			pick(g, slot, range->low);
		/* Long prefixes mostly, or the first short one would be all there is to the set. */
		memcpy(range->high, range->low, 16);
		number_fill(range->low, size, SL_MAX(kept, size * 4), false);
		number_fill(range->high, size, SL_MAX(kept, size * 4), true);
		corner_add(g, slot, range->low);
		corner_add(g, slot, range->high);
	}
}

static void
add_sets(struct generator *g)
{
	g->n_sets = random_chance(&g->random, 50) ? 0 : 1 + random_below(&g->random, SETS_MAX);
	for (uint32_t i = 0; i < g->n_sets; i++) {
		struct sl_object *object = named(SL_OBJECT_SET, "set", i);
		struct sl_set *set = sl_set_of(object);

		set->set_type = (enum sl_set_type)random_below(&g->random, SL_SET_TYPE_COUNT);
		g->set_types[i] = set->set_type;
		fill_set(g, set);
		add(g, object);
	}
}

static void
make_blobs(struct generator *g)
{
	for (uint32_t i = 0; i < BLOBS_MAX; i++) {
		g->blobs[i].len = random_below(&g->random, 10);
		for (uint32_t at = 0; at < g->blobs[i].len; at++)
			g->blob_bytes[i][at] = (char)('a' + random_below(&g->random, 2));
		g->blobs[i].bytes = (const uint8_t *)g->blob_bytes[i];
	}
}

static const struct sl_layer_field *
any_field(struct generator *g)
{
	for (;;) {
		const struct sl_layer_field *field =
			&g->layer->fields[random_below(&g->random, g->layer->n_fields)];

		if (field->available)
			return field;
	}
}

void
generator_begin(struct generator *g, const struct sl_layer *layer)
{
	struct sl_object *callout;

	g->layer = layer;
	g->policy = must(sl_policy_new());
	memset(g->corners, 0, sizeof(g->corners));
	g->n_filters = 0;
	g->n_conditions_max = random_chance(&g->random, 90) ? 5 : 30;
	g->callout_percent = random_chance(&g->random, 50) ? 0 : random_below(&g->random, 60);
	g->distinct_weights = random_chance(&g->random, 50);
	/* Filters that test the same few fields overlap most. */
	g->popular_percent = random_chance(&g->random, 40) ? 95 : 0;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(g->popular); i++)
		g->popular[i] = any_field(g);
	make_blobs(g);
	add_sublayers(g);
	add_sets(g);
	callout = must(sl_object_new(SL_OBJECT_CALLOUT));
	callout->key = must(strdup(CALLOUT_KEY));
	callout->name = must(strdup(CALLOUT_KEY));
	sl_callout_object_of(callout)->layer = layer;
	sl_callout_object_of(callout)->plugin = must(strdup("mock"));
	add(g, callout);
}

static void
choose_action(struct generator *g, struct sl_filter *filter)
{
	static const enum sluice_action callouts[] = {SLUICE_ACTION_CALLOUT_TERMINATING,
		SLUICE_ACTION_CALLOUT_UNKNOWN, SLUICE_ACTION_CALLOUT_INSPECTION};

	filter->raw_context = random_next(&g->random);
	if (random_chance(&g->random, g->callout_percent)) {
		filter->action = callouts[random_below(&g->random, 3)];
		filter->callout = must(strdup(CALLOUT_KEY));
		if (filter->action != SLUICE_ACTION_CALLOUT_INSPECTION &&
			random_chance(&g->random, 50))
			filter->flags |= SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED;
		return;
	}
	filter->action = random_chance(&g->random, 50) ? SLUICE_ACTION_PERMIT : SLUICE_ACTION_BLOCK;
	if (random_chance(&g->random, 30))
		filter->flags |= SL_FILTER_CLEAR_ACTION_RIGHT;
}

static void
choose_weight(struct generator *g, struct sl_filter *filter)
{
	if (g->distinct_weights) {
		filter->weight_kind = SL_WEIGHT_EXACT;
		filter->weight = random_next(&g->random);
	} else if (random_chance(&g->random, 40)) {
		filter->weight_kind = SL_WEIGHT_EXACT;
		filter->weight = random_below(&g->random, 20);
	} else if (random_chance(&g->random, 30)) {
		filter->weight_kind = SL_WEIGHT_RANGE;
		filter->weight = random_below(&g->random, 16);
	}
}

static const struct sl_layer_field *
choose_field(struct generator *g)
{
	if (random_chance(&g->random, g->popular_percent))
		return g->popular[random_below(&g->random, SL_ARRAY_LEN(g->popular))];
	return any_field(g);
}

static void
choose_conditions(struct generator *g, struct sl_filter *filter)
{
	const uint32_t n = random_below(&g->random, g->n_conditions_max + 1);
	const struct sl_layer_field *field = choose_field(g);

	filter->conditions = must(calloc(n + 1, sizeof(*filter->conditions)));
	for (uint32_t i = 0; i < n; i++) {
		/* Alternatives of one field are common. */
		if (!random_chance(&g->random, 35))
			field = choose_field(g);
		make_condition(g, field, &filter->conditions[filter->n_conditions++]);
	}
}

struct sl_filter *
generator_filter(struct generator *g)
{
	struct sl_object *object = named(SL_OBJECT_FILTER, "filter", g->n_filters++);
	struct sl_filter *filter = sl_filter_of(object);
	char sublayer[32];

	snprintf(
		sublayer, sizeof(sublayer), "sublayer%u", random_below(&g->random, g->n_sublayers));
	filter->sublayer = must(strdup(sublayer));
	filter->layer = g->layer;
	choose_action(g, filter);
	choose_weight(g, filter);
	choose_conditions(g, filter);
	finish(object);
	return filter;
}

void
generator_add_filter(struct generator *g)
{
	struct sl_error err = {0};

	if (sl_policy_add(g->policy, &generator_filter(g)->object, &err) != 0)
		die("sl_policy_add", err.text);
}

void
generator_end(struct generator *g)
{
	sl_policy_free(g->policy);
	g->policy = NULL;
}

/* --- Packets. --- */

static void
put_slot(struct sl_meta *meta, enum sl_slot slot, const uint8_t number[16])
{
	const struct sl_slot_info *info = &sl_slot_info[slot];
	uint8_t *at = (uint8_t *)meta + info->offset;
	const uint64_t value = number_of(number);

	if (info->kind == SL_SLOT_KIND_BYTES)
		memcpy(at, number + (16 - info->size), info->size);
	else
		/* Host order: the lowest bytes come first on every machine this runs on. */
		memcpy(at, &value, info->size);
}

static void
fill_slot(struct generator *g, struct sl_meta *meta, enum sl_slot slot)
{
	const struct corners *corners = &g->corners[slot];
	const uint32_t size = sl_slot_info[slot].size;
	const struct sl_blob *blob = &g->blobs[random_below(&g->random, BLOBS_MAX)];
	uint8_t number[16];

	if (sl_slot_info[slot].kind == SL_SLOT_KIND_BLOB) {
		memcpy((uint8_t *)meta + sl_slot_info[slot].offset, &blob, sizeof(blob));
		return;
	}
	number_random(&g->random, number, size);
	if (corners->n > 0 && random_chance(&g->random, 90)) {
		memcpy(number, corners->list[random_below(&g->random, corners->n)], 16);
		number_step(number, size, (int)random_below(&g->random, 3) - 1);
	}
	put_slot(meta, slot, number);
}

void
generator_meta(struct generator *g, struct sl_meta *meta)
{
	const struct sl_meta_ports ports = {.arrival_luid = 0};

	sl_meta_setup(meta, SLUICE_DIRECTION_INBOUND, &ports);
	/* What an absent field holds must not matter. */
	memset(meta, (int)random_next(&g->random), sizeof(*meta));
	meta->present = random_next(&g->random) & random_next(&g->random);
	for (uint32_t i = 0; i < g->layer->n_fields; i++) {
		const enum sl_slot slot = sl_meta_slot(g->layer, g->layer->fields[i].field);

		if (slot == SL_SLOT_NONE)
			continue;
		fill_slot(g, meta, slot);
		meta->present |= (uint64_t)1 << slot;
		if (random_chance(&g->random, 7))
			meta->present &= ~((uint64_t)1 << slot);
	}
}

static int
bind(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	(void)ctx;
	(void)err;
	*binding = (struct sl_filter_binding){.counter = (uint32_t)filter->object.id};
	return 0;
}

struct sl_snapshot *
generator_compile(const struct sl_policy *policy, const struct sl_snapshot *previous)
{
	const struct sl_compile_host host = {.bind = bind};
	struct sl_snapshot *snapshot = NULL;
	struct sl_error err = {0};

	if (sl_snapshot_compile(policy, 1, previous, NULL, &host, &snapshot, &err) != 0)
		die("sl_snapshot_compile", err.text);
	return snapshot;
}

/* --- Reports. --- */

static void
print_bytes(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "%02x", bytes[i]);
}

static void
print_scalar(enum sl_slot slot, const union sl_scalar *scalar)
{
	if (slot != SL_SLOT_NONE && sl_slot_info[slot].kind == SL_SLOT_KIND_BYTES)
		print_bytes(scalar->bytes, sl_slot_info[slot].size);
	else
		fprintf(stderr, "%llu", (unsigned long long)scalar->number);
}

static void
print_condition(const struct sl_layer *layer, const struct sl_condition *condition)
{
	const struct sl_condition_value *value = &condition->value;
	const enum sl_slot slot = sl_meta_slot(layer, condition->field);

	fprintf(stderr, "    %s %s ", sl_field_name(condition->field),
		sl_match_name(condition->match));
	if (value->type == SLUICE_TYPE_EMPTY) {
		fprintf(stderr, "EMPTY\n");
		return;
	}
	if (value->text != NULL) {
		fprintf(stderr, "\"%s\"\n", value->text);
		return;
	}
	print_scalar(slot, &value->low);
	if (value->type == SLUICE_TYPE_V6_ADDR_MASK)
		fprintf(stderr, "/%u", value->prefix_len);
	else if (value->type == SLUICE_TYPE_V4_ADDR_MASK || value->type == SLUICE_TYPE_RANGE)
		fprintf(stderr, " .. "), print_scalar(slot, &value->high);
	fprintf(stderr, "\n");
}

void
print_filter(const struct sl_filter *filter)
{
	fprintf(stderr, "  %s: id %llu, sublayer %s, weight %llu, action %s\n", filter->object.key,
		(unsigned long long)filter->object.id, filter->sublayer,
		(unsigned long long)filter->effective_weight, sl_action_name(filter->action));
	for (size_t i = 0; i < filter->n_conditions; i++)
		print_condition(filter->layer, &filter->conditions[i]);
}

void
print_meta(const struct sl_layer *layer, const struct sl_meta *meta)
{
	for (uint32_t i = 0; i < layer->n_fields; i++) {
		const enum sl_slot slot = sl_meta_slot(layer, layer->fields[i].field);
		const struct sl_slot_info *info = &sl_slot_info[slot == SL_SLOT_NONE ? 0 : slot];
		const uint8_t *at = (const uint8_t *)meta + info->offset;
		const struct sl_blob *blob;

		if (slot == SL_SLOT_NONE)
			continue;
		fprintf(stderr, "  %s = ", sl_field_name(layer->fields[i].field));
		if (!sl_meta_has(meta, slot)) {
			fprintf(stderr, "EMPTY");
		} else if (info->kind == SL_SLOT_KIND_NUMBER) {
			fprintf(stderr, "%llu", (unsigned long long)sl_meta_number(meta, slot));
		} else if (info->kind == SL_SLOT_KIND_BYTES) {
			print_bytes(at, info->size);
		} else {
			memcpy(&blob, at, sizeof(blob));
			fprintf(stderr, "\"%.*s\"", (int)blob->len, (const char *)blob->bytes);
		}
		fprintf(stderr, "\n");
	}
}
