/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBLAYER_WEIGHT 40000u /* of the first; each next one weighs one less */

const struct sl_layer *
bench_policy_layer(const struct bench_rules *rules)
{
	return sl_layer_by_id(rules->is_v6 ? SLUICE_LAYER_INBOUND_TRANSPORT_V6
					   : SLUICE_LAYER_INBOUND_TRANSPORT_V4);
}

static void
set_address(struct sl_condition *condition, enum sluice_field field, bool is_v6,
	const uint8_t address[16], uint8_t len)
{
	condition->field = field;
	condition->match = SL_MATCH_EQUAL;
	if (is_v6) {
		condition->value.type = SLUICE_TYPE_V6_ADDR_MASK;
		memcpy(condition->value.low.bytes, address, 16);
		condition->value.prefix_len = len;
	} else {
		condition->value.type = SLUICE_TYPE_V4_ADDR_MASK;
		condition->value.low.number = (uint32_t)address[0] << 24 |
			(uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 | address[3];
		condition->value.high.number = len == 0 ? 0 : (uint32_t)(UINT32_MAX << (32 - len));
	}
}

static void
set_port(struct sl_condition *condition, enum sluice_field field, const uint16_t port[2])
{
	condition->field = field;
	condition->value.low.number = port[0];
	if (port[0] == port[1]) {
		condition->match = SL_MATCH_EQUAL;
		condition->value.type = SLUICE_TYPE_UINT16;
	} else {
		condition->match = SL_MATCH_RANGE;
		condition->value.type = SLUICE_TYPE_RANGE;
		condition->value.range_type = SLUICE_TYPE_UINT16;
		condition->value.high.number = port[1];
	}
}

/* Columns that say "anything" become no condition at all. */
static void
set_conditions(struct sl_filter *filter, const struct bench_rule *rule, bool is_v6)
{
	struct sl_condition *c = filter->conditions;

	if (rule->src_len > 0)
		set_address(c++, SLUICE_FIELD_IP_REMOTE_ADDRESS, is_v6, rule->src, rule->src_len);
	if (rule->dst_len > 0)
		set_address(c++, SLUICE_FIELD_IP_LOCAL_ADDRESS, is_v6, rule->dst, rule->dst_len);
	if (rule->src_port[0] > 0 || rule->src_port[1] < 65535)
		set_port(c++, SLUICE_FIELD_IP_REMOTE_PORT, rule->src_port);
	if (rule->dst_port[0] > 0 || rule->dst_port[1] < 65535)
		set_port(c++, SLUICE_FIELD_IP_LOCAL_PORT, rule->dst_port);
	if (rule->has_protocol) {
		c->field = SLUICE_FIELD_IP_PROTOCOL;
		c->match = SL_MATCH_EQUAL;
		c->value.type = SLUICE_TYPE_UINT8;
		c++->value.low.number = rule->protocol;
	}
	filter->n_conditions = (size_t)(c - filter->conditions);
}

static char *
number_text(const char *prefix, size_t number)
{
	char text[40];

	snprintf(text, sizeof(text), "%s%zu", prefix, number);
	return strdup(text);
}

int
bench_policy_add(struct sl_policy *policy, struct sl_object *object, struct sl_error *err)
{
	struct sl_problems problems = {0};
	int rc;

	if (sl_object_finish(object, "", &problems))
		rc = sl_policy_add(policy, object, err);
	else
		rc = sl_error_set(err, problems.list[0].code, problems.list[0].pointer, "%s",
			problems.list[0].detail);
	sl_problems_fini(&problems);
	if (rc != 0)
		sl_object_put(object);
	return rc;
}

static int
add_sublayer(struct sl_policy *policy, uint32_t s, struct sl_error *err)
{
	struct sl_object *object = sl_object_new(SL_OBJECT_SUBLAYER);

	if (object == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	object->key = number_text("bench-", s);
	object->name = strdup("Rules under test");
	sl_sublayer_of(object)->weight = (uint16_t)(SUBLAYER_WEIGHT - s);
	return bench_policy_add(policy, object, err);
}

/* Everything of a rule's filter; what could not be allocated is NULL. */
static void
fill_filter(struct sl_object *object, const struct bench_rules *rules, size_t i, uint32_t s)
{
	struct sl_filter *filter = sl_filter_of(object);

	object->key = number_text("rule-", i);
	object->name = number_text("Rule ", i);
	filter->layer = bench_policy_layer(rules);
	filter->sublayer = number_text("bench-", s);
	filter->weight_kind = SL_WEIGHT_EXACT;
	filter->weight = rules->n - i;
	filter->action = i % 2 == 0 ? SLUICE_ACTION_BLOCK : SLUICE_ACTION_PERMIT;
	filter->conditions = calloc(5, sizeof(*filter->conditions));
	if (filter->conditions != NULL)
		set_conditions(filter, &rules->list[i], rules->is_v6);
}

struct sl_object *
bench_policy_filter(const struct bench_rules *rules, size_t i, uint32_t n_sublayers)
{
	struct sl_object *object = sl_object_new(SL_OBJECT_FILTER);
	const struct sl_filter *filter;

	if (object == NULL)
		return NULL;
	fill_filter(object, rules, i, (uint32_t)(i % n_sublayers));
	filter = sl_filter_of(object);
	if (object->key != NULL && object->name != NULL && filter->sublayer != NULL &&
		filter->conditions != NULL)
		return object;
	sl_object_put(object);
	return NULL;
}

int
bench_policy_fill(struct sl_policy *policy, const struct bench_rules *rules, size_t n,
	uint32_t n_sublayers, struct sl_error *err)
{
	int rc = 0;

	for (uint32_t s = 0; rc == 0 && s < n_sublayers; s++)
		rc = add_sublayer(policy, s, err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct sl_object *object = bench_policy_filter(rules, i, n_sublayers);

		rc = object != NULL ? bench_policy_add(policy, object, err)
				    : sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	}
	return rc;
}

int
bench_policy_make(const struct bench_rules *rules, size_t n, uint32_t n_sublayers,
	struct sl_policy **out, struct sl_error *err)
{
	struct sl_policy *policy = sl_policy_new();
	int rc;

	if (policy == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	rc = bench_policy_fill(policy, rules, n, n_sublayers, err);
	if (rc != 0) {
		sl_policy_free(policy);
		return rc;
	}
	*out = policy;
	return 0;
}

static int
fill_at(struct sl_policy *policy, const struct bench_rules *rules, enum sluice_layer layer,
	enum sluice_action action, struct sl_error *err)
{
	int rc = add_sublayer(policy, 0, err);

	for (size_t i = 0; rc == 0 && i < rules->n; i++) {
		struct sl_object *object = bench_policy_filter(rules, i, 1);

		if (object == NULL)
			return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
		sl_filter_of(object)->layer = sl_layer_by_id(layer);
		sl_filter_of(object)->action = action;
		rc = bench_policy_add(policy, object, err);
	}
	return rc;
}

int
bench_policy_make_at(const struct bench_rules *rules, enum sluice_layer layer,
	enum sluice_action action, struct sl_policy **out, struct sl_error *err)
{
	struct sl_policy *policy = sl_policy_new();
	int rc;

	if (policy == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	rc = fill_at(policy, rules, layer, action, err);
	if (rc == 0)
		*out = policy;
	else
		sl_policy_free(policy);
	return rc;
}

static int
bind_filter(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	uint32_t *next = ctx;

	(void)filter;
	(void)err;
	*binding = (struct sl_filter_binding){.counter = (*next)++};
	return 0;
}

int
bench_policy_compile(const struct sl_policy *policy, struct sl_snapshot **out, struct sl_error *err)
{
	uint32_t next = 0;
	struct sl_compile_host host = {.bind = bind_filter, .ctx = &next};

	return sl_snapshot_compile(policy, 1, NULL, NULL, &host, out, err);
}
