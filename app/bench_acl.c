/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_engine.h"

#include <errno.h>
#include <rte_acl.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* DPDK's rte_acl with its best method on this CPU. Needs EAL memory. */

#define V4_FIELDS 5
#define V6_FIELDS 11 /* the protocol, 2 x 4 address words, 2 ports */

RTE_ACL_RULE_DEF(bench_acl_rule, V6_FIELDS);

/* The key as rte_acl reads it: the protocol, then fields in network order. */
struct bench_acl_key {
	uint8_t protocol;
	uint8_t pad[3];
	uint8_t src[16];
	uint8_t dst[16];
	uint8_t ports[4];
};

struct acl {
	struct rte_acl_ctx *ctx;
	struct bench_acl_key *keys;
	size_t memory;
};

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
add_rules(struct rte_acl_ctx *ctx, const struct bench_rules *rules)
{
	uint32_t words = rules->is_v6 ? 4 : 1;

	for (size_t i = 0; i < rules->n; i++) {
		const struct bench_rule *from = &rules->list[i];
		struct bench_acl_rule rule = {0};
		struct rte_acl_field *ports = &rule.field[1 + 2 * words];
		int rc;

		rule.data.userdata = (uint32_t)i + 1;
		rule.data.category_mask = 1;
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
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void
fill_keys(struct acl *acl, const struct bench_trace *trace)
{
	for (size_t i = 0; i < trace->n; i++) {
		const struct bench_header *from = &trace->list[i];
		struct bench_acl_key *key = &acl->keys[i];

		memset(key, 0, sizeof(*key));
		key->protocol = from->protocol;
		memcpy(key->src, from->src, 16);
		memcpy(key->dst, from->dst, 16);
		key->ports[0] = (uint8_t)(from->src_port >> 8);
		key->ports[1] = (uint8_t)from->src_port;
		key->ports[2] = (uint8_t)(from->dst_port >> 8);
		key->ports[3] = (uint8_t)from->dst_port;
	}
}

static void
release(void *state)
{
	struct acl *acl = state;

	if (acl == NULL)
		return;
	rte_acl_free(acl->ctx);
	free(acl->keys);
	free(acl);
}

/* Bytes taken from EAL's heaps so far. */
static size_t
heap_bytes(void)
{
	struct rte_malloc_socket_stats stats;

	return rte_malloc_get_socket_stats(0, &stats) == 0 ? stats.heap_allocsz_bytes : 0;
}

static int
build(const struct bench_rules *rules, const struct bench_trace *trace, void **state,
	struct sl_error *err)
{
	struct rte_acl_param param = {
		.name = "bench", .socket_id = -1, .max_rule_num = (uint32_t)rules->n};
	struct rte_acl_config config = {.num_categories = 1};
	struct acl *acl = calloc(1, sizeof(*acl));
	size_t before = heap_bytes();
	int rc;

	param.rule_size = RTE_ACL_RULE_SZ(rules->is_v6 ? V6_FIELDS : V4_FIELDS);
	if (acl != NULL)
		acl->keys = calloc(trace->n, sizeof(*acl->keys));
	if (acl == NULL || acl->keys == NULL) {
		free(acl);
		return sl_error_set(err, SL_ERR_NO_MEMORY, "rte_acl", "not enough memory");
	}
	fill_keys(acl, trace);
	acl->ctx = rte_acl_create(&param);
	rc = acl->ctx == NULL ? -rte_errno : add_rules(acl->ctx, rules);
	config.num_fields = describe(&config, rules->is_v6);
	if (rc == 0)
		rc = rte_acl_build(acl->ctx, &config);
	if (rc != 0) {
		release(acl);
		return sl_error_set(
			err, SL_ERR_NO_MEMORY, "rte_acl", "cannot build: %s", strerror(-rc));
	}
	acl->memory = heap_bytes() - before;
	*state = acl;
	return 0;
}

static void
classify(void *state, size_t first, uint32_t n, uint32_t answers[])
{
	const struct acl *acl = state;
	const uint8_t *data[BENCH_BURST_MAX];

	for (uint32_t i = 0; i < n; i++)
		data[i] = (const uint8_t *)&acl->keys[first + i];
	rte_acl_classify(acl->ctx, data, answers, n, 1);
	for (uint32_t i = 0; i < n; i++)
		answers[i] = answers[i] == 0 ? BENCH_NO_RULE : answers[i] - 1;
}

static size_t
memory(const void *state)
{
	return ((const struct acl *)state)->memory;
}

const struct bench_engine_ops bench_engine_acl = {"rte_acl", build, classify, memory, release};
