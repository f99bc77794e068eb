/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_acl_build.h"

#include "base/sl_clock.h"

#include <rte_errno.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <string.h>

#define V4_FIELDS 5
#define V6_FIELDS 11 /* the protocol, 2 x 4 address words, 2 ports */

RTE_ACL_RULE_DEF(bench_acl_rule, V6_FIELDS);

/* Describes fields: words 0 protocol, then as many address words as the family has, then both ports. */
static uint32_t
describe(struct rte_acl_config *config, bool is_v6)
{
	uint32_t words = is_v6 ? 4 : 1;
	uint32_t n = 0;

	config->defs[n] = (struct rte_acl_field_def){RTE_ACL_FIELD_TYPE_BITMASK, 1, (uint8_t)n, 0,
		offsetof(struct bench_acl_key, protocol)};
	n++;
	for (uint32_t side = 0; side < 2; side++) {
		for (uint32_t word = 0; word < words; word++, n++)
			config->defs[n] = (struct rte_acl_field_def){RTE_ACL_FIELD_TYPE_MASK, 4,
				(uint8_t)n, (uint8_t)n,
				(uint32_t)(side == 0 ? offsetof(struct bench_acl_key, src)
						     : offsetof(struct bench_acl_key, dst)) +
					4 * word};
	}
	for (uint32_t port = 0; port < 2; port++)
		config->defs[n + port] = (struct rte_acl_field_def){RTE_ACL_FIELD_TYPE_RANGE, 2,
			(uint8_t)(n + port), (uint8_t)(1 + 2 * words),
			(uint32_t)offsetof(struct bench_acl_key, ports) + 2 * port};
	return n + 2;
}

static void
set_address(struct rte_acl_field *fields, uint32_t words, const uint8_t address[16], uint8_t len)
{
	for (uint32_t word = 0; word < words; word++) {
		const uint8_t *at = address + 4 * word;
		uint32_t left = len > 32 * word ? len - 32 * word : 0;

		fields[word].value.u32 = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
			(uint32_t)at[2] << 8 | at[3];
		fields[word].mask_range.u32 = left > 32 ? 32 : left;
	}
}

static int
add_rules(struct rte_acl_ctx *ctx, const struct bench_case *given)
{
	const struct bench_rules *rules = given->rules;
	uint32_t words = rules->is_v6 ? 4 : 1;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < rules->n; i++) {
		const struct bench_rule *from = &rules->list[i];
		struct bench_acl_rule rule = {0};
		struct rte_acl_field *ports = &rule.field[1 + 2 * words];

		rule.data.userdata = (uint32_t)i + 1;
		rule.data.category_mask = 1u << i % given->n_sublayers;
		rule.data.priority = (int32_t)(rules->n - i);
		rule.field[0].value.u8 = from->protocol;
		rule.field[0].mask_range.u8 = from->has_protocol ? 0xff : 0;
		set_address(&rule.field[1], words, from->src, from->src_len);
		set_address(&rule.field[1 + words], words, from->dst, from->dst_len);
		ports[0].value.u16 = from->src_port[0];
		ports[0].mask_range.u16 = from->src_port[1];
		ports[1].value.u16 = from->dst_port[0];
		ports[1].mask_range.u16 = from->dst_port[1];
		rc = rte_acl_add_rules(ctx, (const struct rte_acl_rule *)&rule, 1);
	}
	return rc;
}

/* Bytes taken from EAL's heaps so far. */
static size_t
heap_bytes(void)
{
	struct rte_malloc_socket_stats stats;

	return rte_malloc_get_socket_stats(0, &stats) == 0 ? stats.heap_allocsz_bytes : 0;
}

uint32_t
bench_acl_categories(const struct bench_case *given)
{
	return given->n_sublayers == 1 ? 1 : (given->n_sublayers + 3) / 4 * 4;
}

int
bench_acl_build(const struct bench_case *given, size_t max_size, struct bench_acl_context *context)
{
	struct rte_acl_config config = {
		.num_categories = bench_acl_categories(given), .max_size = max_size};
	char name[32];
	struct rte_acl_param param = {
		.name = name, .socket_id = -1, .max_rule_num = (uint32_t)given->rules->n};
	uint64_t start = sl_clock_monotonic_ns();
	size_t before = heap_bytes();
	int rc;

	/* Contexts of one name are one context; no two of ours are at one address. */
	snprintf(name, sizeof(name), "bench-%p", (void *)context);
	param.rule_size = RTE_ACL_RULE_SZ(given->rules->is_v6 ? V6_FIELDS : V4_FIELDS);
	config.num_fields = describe(&config, given->rules->is_v6);
	context->max_size = max_size;
	context->ctx = rte_acl_create(&param);
	rc = context->ctx == NULL ? -rte_errno : add_rules(context->ctx, given);
	if (rc == 0)
		rc = rte_acl_build(context->ctx, &config);
	if (rc != 0) {
		rte_acl_free(context->ctx);
		context->ctx = NULL;
		return rc;
	}
	context->build_s = (double)(sl_clock_monotonic_ns() - start) / 1e9;
	context->memory = heap_bytes() - before;
	return 0;
}

void
bench_acl_fill_key(struct bench_acl_key *key, const struct bench_header *header)
{
	memset(key, 0, sizeof(*key));
	key->protocol = header->protocol;
	memcpy(key->src, header->src, 16);
	memcpy(key->dst, header->dst, 16);
	key->ports[0] = (uint8_t)(header->src_port >> 8);
	key->ports[1] = (uint8_t)header->src_port;
	key->ports[2] = (uint8_t)(header->dst_port >> 8);
	key->ports[3] = (uint8_t)header->dst_port;
}
