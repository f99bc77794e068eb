/* SPDX-License-Identifier: BSD-3-Clause */
#include "generate.h"

#include <stdio.h>
#include <string.h>

void
die(const char *what, const char *text)
{
	fprintf(stderr, "%s: %s\n", what, text);
	abort();
}

void *
must(void *pointer)
{
	if (pointer == NULL)
		die("generator", "out of memory");
	return pointer;
}

uint32_t
generator_n_layers(void)
{
	uint32_t n, n_working = 0;
	const struct sl_layer *const *layers = sl_layer_list(&n);

	for (uint32_t id = 0; id < n; id++)
		n_working += layers[id]->status == SL_LAYER_WORKING;
	return n_working;
}

const struct sl_layer *
generator_layer(uint32_t i)
{
	uint32_t n;
	const struct sl_layer *const *layers = sl_layer_list(&n);
	uint32_t at = 0;

	for (i %= generator_n_layers(); i > 0 || layers[at]->status != SL_LAYER_WORKING; at++)
		i -= layers[at]->status == SL_LAYER_WORKING;
	return layers[at];
}

/* --- Corners. --- */

static void
corner_add(struct generator *g, enum sl_slot slot, u128 value)
{
	struct corners *corners;
	uint32_t at;

	if (slot == SL_SLOT_NONE || g->is_frozen)
		return;
	corners = &g->corners[slot];
	at = corners->n < CORNERS_MAX ? corners->n++ : random_below(&g->random, CORNERS_MAX);
	corners->list[at] = value;
}

/* A value that conditions of the slot use already, or a new one that they will use again. */
static u128
pick(struct generator *g, enum sl_slot slot)
{
	const struct corners *corners = slot == SL_SLOT_NONE ? NULL : &g->corners[slot];
	const uint32_t bits = slot_bits(slot);
	u128 value;

	if (corners != NULL && corners->n > 0 && random_chance(&g->random, 75)) {
		value = corners->list[random_below(&g->random, corners->n)];
		if (random_chance(&g->random, 20))
			value += random_chance(&g->random, 50) ? 1 : -1;
		value &= u128_max(bits);
	} else {
		value = u128_random(&g->random, bits);
	}
	corner_add(g, slot, value);
	return value;
}

/* --- Conditions. --- */

static void
make_range(struct generator *g, const struct sl_layer_field *field, enum sl_slot slot,
	struct sl_condition *condition)
{
	const uint32_t bits = slot_bits(slot);
	u128 a = pick(g, slot);
	u128 b = a;

	if (random_chance(&g->random, 50)) {
		b = pick(g, slot);
	} else {
		/* An aligned block, as prefixes and port ranges often are. */
		const u128 host = u128_max(random_below(&g->random, bits + 1));

		a &= ~host;
		b |= host;
		corner_add(g, slot, a);
		corner_add(g, slot, b);
	}
	condition->match = SL_MATCH_RANGE;
	condition->value.type = SLUICE_TYPE_RANGE;
	condition->value.range_type = field->type;
	u128_to_scalar(SL_MIN(a, b), field->type, &condition->value.low);
	u128_to_scalar(SL_MAX(a, b), field->type, &condition->value.high);
}

static void
make_prefix(struct generator *g, const struct sl_layer_field *field, enum sl_slot slot,
	struct sl_condition *condition)
{
	const uint32_t bits = field->type == SLUICE_TYPE_BYTE_ARRAY16 ? 128 : 32;
	const uint32_t len = random_below(&g->random, bits + 1);
	const u128 host = u128_max(bits - len);
	const u128 low = pick(g, slot) & ~host;

	corner_add(g, slot, low);
	corner_add(g, slot, low | host);
	condition->match = random_chance(&g->random, 85) ? SL_MATCH_EQUAL : SL_MATCH_NOT_EQUAL;
	u128_to_scalar(low, field->type, &condition->value.low);
	if (bits == 128) {
		condition->value.type = SLUICE_TYPE_V6_ADDR_MASK;
		condition->value.prefix_len = (uint8_t)len;
	} else {
		condition->value.type = SLUICE_TYPE_V4_ADDR_MASK;
		condition->value.high.number = ~(uint32_t)host;
	}
}

static void
make_flags(struct generator *g, const struct sl_layer_field *field, enum sl_slot slot,
	struct sl_condition *condition)
{
	const uint32_t bits = slot_bits(slot);
	u128 value;

	if (random_chance(&g->random, 70))
		value = (u128)1 << random_below(&g->random, bits) |
			1u << random_below(&g->random, 8);
	else
		value = pick(g, slot);
	corner_add(g, slot, value);
	condition->match = (enum sl_match)(SL_MATCH_FLAGS_ALL_SET + random_below(&g->random, 3));
	condition->value.type = field->type;
	u128_to_scalar(value, field->type, &condition->value.low);
}

static void
make_scalar(struct generator *g, const struct sl_layer_field *field, enum sl_slot slot,
	struct sl_condition *condition)
{
	static const enum sl_match orders[] = {SL_MATCH_EQUAL, SL_MATCH_EQUAL, SL_MATCH_EQUAL,
		SL_MATCH_NOT_EQUAL, SL_MATCH_GREATER, SL_MATCH_LESS, SL_MATCH_GREATER_OR_EQUAL,
		SL_MATCH_LESS_OR_EQUAL};
	const bool is_mac = field->type == SLUICE_TYPE_BYTE_ARRAY6;

	condition->match = orders[random_below(&g->random, is_mac ? 4 : SL_ARRAY_LEN(orders))];
	condition->value.type = field->type;
	u128_to_scalar(pick(g, slot), field->type, &condition->value.low);
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
	const bool is_address = sl_field_is_address(field->field);
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

void
generator_add(struct generator *g, struct sl_object *object)
{
	struct sl_error err = {0};

	finish(object);
	if (sl_policy_add(g->policy, object, &err) != 0)
		die("sl_policy_add", err.text);
}

struct sl_object *
generator_object(enum sl_object_type type, const char *prefix, uint32_t number)
{
	struct sl_object *object = must(sl_object_new(type));
	char key[32];

	snprintf(key, sizeof(key), "%s%u", prefix, number);
	object->key = must(strdup(key));
	object->name = must(strdup(key));
	return object;
}

void
generator_sublayers(struct generator *g, uint32_t n)
{
	while (g->n_sublayers < n) {
		struct sl_object *object =
			generator_object(SL_OBJECT_SUBLAYER, "sublayer", g->n_sublayers++);

		/* Equal weights are legal: the older one comes first. */
		sl_sublayer_of(object)->weight = (uint16_t)(1 + random_below(&g->random, 12));
		generator_add(g, object);
	}
}

static void
add_sublayers(struct generator *g)
{
	uint32_t n = random_chance(&g->random, 40) ? 1 : 1 + random_below(&g->random, 6);

	g->n_sublayers = 0;
	generator_sublayers(g, random_chance(&g->random, 3) ? 60 : n);
}

static void
list_slots(struct generator *g)
{
	uint64_t seen = 0;

	g->n_slots = 0;
	for (uint32_t i = 0; i < g->layer->n_fields; i++) {
		const enum sl_slot slot = sl_meta_slot(g->layer, g->layer->fields[i].field);

		if (slot == SL_SLOT_NONE || (seen >> slot & 1))
			continue;
		seen |= (uint64_t)1 << slot;
		g->slots[g->n_slots++] = slot;
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
	static const uint8_t bits[SL_SET_TYPE_COUNT] = {[SL_SET_V4_PREFIX] = 32,
		[SL_SET_V6_PREFIX] = 128,
		[SL_SET_MAC] = 48,
		[SL_SET_UINT8] = 8,
		[SL_SET_UINT16] = 16,
		[SL_SET_UINT32] = 32};
	const uint32_t n_bits = bits[set->set_type];
	const enum sl_slot slot = slot_of_set(g, set->set_type);

	set->n_elements = random_chance(&g->random, 80) ? random_below(&g->random, 12)
							: random_below(&g->random, 400);
	set->elements = must(calloc(set->n_elements + 1, sizeof(*set->elements)));
	for (size_t i = 0; i < set->n_elements; i++) {
		/* Long prefixes mostly, or the first short one would be all there is to the set. */
		const u128 host = set->set_type == SL_SET_MAC
			? 0
			: u128_max(random_below(&g->random, n_bits / 2 + 1) *
				  random_below(&g->random, 2));
		const u128 value = slot == SL_SLOT_NONE ? u128_random(&g->random, n_bits)
							: pick(g, slot) & u128_max(n_bits);

		u128_to_bytes(value & ~host, set->elements[i].low, 16);
		u128_to_bytes(value | host, set->elements[i].high, 16);
		corner_add(g, slot, value & ~host);
		corner_add(g, slot, value | host);
	}
}

static struct sl_object *
make_set(struct generator *g, uint32_t number)
{
	struct sl_object *object = generator_object(SL_OBJECT_SET, "set", number);
	struct sl_set *set = sl_set_of(object);

	set->set_type = g->set_types[number];
	fill_set(g, set);
	return object;
}

struct sl_object *
generator_set_as(struct generator *g, uint32_t number, uint64_t seed)
{
	const struct random kept = g->random;
	struct sl_object *object;

	g->random.state = seed;
	object = make_set(g, number);
	finish(object);
	g->random = kept;
	return object;
}

static void
add_sets(struct generator *g)
{
	g->n_sets = random_chance(&g->random, 50) ? 0 : 1 + random_below(&g->random, SETS_MAX);
	for (uint32_t i = 0; i < g->n_sets; i++) {
		g->set_types[i] = (enum sl_set_type)random_below(&g->random, SL_SET_TYPE_COUNT);
		generator_add(g, make_set(g, i));
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
	for (uint32_t slot = 0; slot < SL_SLOT_COUNT; slot++)
		g->corners[slot].n = 0;
	g->is_frozen = false;
	g->n_filters = 0;
	list_slots(g);
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
	generator_add(g, callout);
}

void
generator_other(const struct generator *g, const struct sl_layer *layer, struct generator *other)
{
	*other = *g;
	other->layer = layer;
	other->popular_percent = 0;
	list_slots(other);
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

static struct sl_filter *
make_filter(struct generator *g, uint32_t number)
{
	struct sl_object *object = generator_object(SL_OBJECT_FILTER, "filter", number);
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

struct sl_filter *
generator_filter(struct generator *g)
{
	return make_filter(g, g->n_filters++);
}

struct sl_filter *
generator_filter_as(struct generator *g, uint32_t number, uint64_t seed)
{
	const struct random kept = g->random;
	struct sl_filter *filter;

	g->random.state = seed;
	filter = make_filter(g, number);
	g->random = kept;
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
