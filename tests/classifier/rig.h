/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_CLASSIFIER_RIG_H
#define TESTS_CLASSIFIER_RIG_H

/* A policy, its snapshot, and callouts that do what their filters say. */

#include "classifier/sl_arbitrate.h"
#include "policy/make.h"

/* What a mock callout does: a filter's raw context is an action and these. */
#define MOCK_CLEAR_RIGHT  0x10000u
#define MOCK_ABSORB       0x20000u
#define MOCK_UNREGISTERED 0x40000u
#define MOCK_SKIPPED      0x80000u

#define MOCK_CALLS_MAX 64

/* The calls of one arbitration. */
struct mock {
	uint32_t n;
	uint32_t ranks[MOCK_CALLS_MAX];
	uint32_t rights[MOCK_CALLS_MAX]; /* on entry */
};

/* An sl_invoke_fn; `ctx` is a struct mock. */
static inline enum sl_invoke_status
mock_invoke(void *ctx, const struct sl_layer_program *layer, uint32_t rank,
	const struct sl_meta *meta, struct sluice_classify_out *out)
{
	const uint64_t behaviour = layer->filters[rank].object->raw_context;
	struct mock *mock = ctx;

	(void)meta;
	if (behaviour & MOCK_UNREGISTERED)
		return SL_INVOKE_UNREGISTERED;
	if (behaviour & MOCK_SKIPPED)
		return SL_INVOKE_SKIPPED;
	if (mock->n < MOCK_CALLS_MAX) {
		mock->ranks[mock->n] = rank;
		mock->rights[mock->n] = out->rights;
	}
	mock->n++;
	out->action = behaviour & 0xffff;
	if (behaviour & MOCK_CLEAR_RIGHT)
		out->rights &= ~SLUICE_RIGHT_ACTION_WRITE;
	if (behaviour & MOCK_ABSORB)
		out->flags |= SLUICE_CLASSIFY_OUT_FLAG_ABSORB;
	return SL_INVOKE_CALLED;
}

/* An sl_compile_host.bind: counters are the filters' ids. */
static inline int
rig_bind(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	(void)ctx;
	(void)err;
	*binding = (struct sl_filter_binding){.counter = (uint32_t)filter->object.id};
	return 0;
}

static inline struct sl_snapshot *
rig_compile(const struct sl_policy *policy, const struct sl_snapshot *previous)
{
	const struct sl_compile_host host = {.bind = rig_bind};
	struct sl_snapshot *snapshot = NULL;
	struct sl_error err = {0};

	if (sl_snapshot_compile(policy, 1, previous, NULL, &host, &snapshot, &err) != 0) {
		print_error("%s\n", err.text);
		fail();
	}
	return snapshot;
}

static inline const struct sl_meta_ports *
rig_ports(void)
{
	static const struct sl_blob names[2] = {
		{(const uint8_t *)"wan.outside", 11}, {(const uint8_t *)"wan.inside", 10}};
	static const struct sl_meta_ports ports = {.arrival_luid = 2,
		.nexthop_luid = 1,
		.arrival_index = 2,
		.nexthop_index = 1,
		.interface_type = 6,
		.arrival_profile = 7,
		.nexthop_profile = 8,
		.outside_mac = {2, 0, 0, 0, 0, 1},
		.arrival_name = &names[0],
		.nexthop_name = &names[1]};

	return &ports;
}

/* An inbound IPv4 TCP packet from 198.51.100.7:40000 to 192.0.2.1:80. */
static inline void
rig_meta(struct sl_meta *meta)
{
	sl_meta_setup(meta, SLUICE_DIRECTION_INBOUND, rig_ports());
	meta->ip_version = 4;
	meta->ip4_src = 0xc6336407;
	meta->ip4_dst = 0xc0000201;
	meta->protocol = 6;
	meta->src_port = meta->remote_port = 40000;
	meta->dst_port = meta->local_port = 80;
	meta->ttl = 64;
	meta->present |= SL_PRESENT(IP4_SRC) | SL_PRESENT(IP4_DST) | SL_PRESENT(PROTOCOL) |
		SL_PRESENT(SRC_PORT) | SL_PRESENT(DST_PORT) | SL_PRESENT(LOCAL_PORT) |
		SL_PRESENT(REMOTE_PORT) | SL_PRESENT(TTL) | SL_PRESENT(FLAGS_IP) |
		SL_PRESENT(FLAGS_TRANSPORT);
}

/* One packet through both engines, which must agree; `out` then holds its match list. */
static inline uint32_t
rig_classify(
	const struct sl_layer_program *layer, const struct sl_meta *meta, struct sl_matches *out)
{
	struct sl_matches reference;
	uint32_t n;

	assert_int_equal(sl_matches_init(&reference), 0);
	assert_int_equal(sl_reference_run(layer, &meta, 1, &reference), 1);
	assert_int_equal(sl_classify_run(layer, &meta, 1, out), 1);
	n = out->start[1] - out->start[0];
	assert_int_equal(n, reference.start[1] - reference.start[0]);
	assert_memory_equal(out->ranks, reference.ranks, n * sizeof(*out->ranks));
	sl_matches_fini(&reference);
	return n;
}

#endif
