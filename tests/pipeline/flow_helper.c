/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow_helper.h"

#include "packet/sl_build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void
flow_config(struct sl_flow_config *config)
{
	assert_int_equal(sl_flow_config_init(config), 0);
	config->max = 64;
	config->contexts = 16;
	config->enforce = SL_FLOW_ENFORCE_ALWAYS;
	config->hash_key[0] = 1;
	config->hash_key[1] = 2;
	config->fragments.reassemble = SL_FRAGMENT_REASSEMBLE_NEVER;
}

void
flow_fixture(struct fixture *fixture)
{
	struct sl_flow_config config;

	flow_config(&config);
	fixture_init_flows(fixture, SL_ENGINE_CHECK, 0, &config);
}

static void
build_transport(struct sl_build *build, const struct shape *shape)
{
	const uint16_t src = shape->is_inbound ? shape->remote_port : shape->local_port;
	const uint16_t dst = shape->is_inbound ? shape->local_port : shape->remote_port;

	switch (shape->protocol) {
	case 6:
		sl_build_tcp(build, src, dst, shape->seq, shape->ack, shape->flags);
		memset(&build->bytes[build->l4_at + 14], 0xff, 2); /* the window */
		break;
	case 1:
		sl_build_icmp(build, shape->remote_port >> 8, shape->remote_port & 0xff,
			(uint32_t)shape->local_port << 16 | 1);
		break;
	case 0:
	case 17:
		sl_build_udp(build, src, dst);
		break;
	default:
		sl_build_type(build, shape->protocol);
	}
}

static void
address6(uint8_t address[16], uint32_t host)
{
	static const uint8_t prefix[12] = {0x20, 0x01, 0x0d, 0xb8};

	memcpy(address, prefix, sizeof(prefix));
	for (int i = 0; i < 4; i++)
		address[12 + i] = (uint8_t)(host >> (24 - 8 * i));
}

static void
build_ip6(struct sl_build *build, uint32_t src, uint32_t dst)
{
	uint8_t from[16], to[16];

	address6(from, src);
	address6(to, dst);
	sl_build_ip6(build, from, to);
}

static void
build_ip(struct sl_build *build, const struct shape *shape)
{
	static const uint8_t payload[256];
	const uint32_t local = shape->local == 0 ? HOST_IN : shape->local;
	const uint32_t remote = shape->remote == 0 ? HOST_OUT : shape->remote;

	if (shape->is_ip6)
		build_ip6(build, shape->is_inbound ? remote : local,
			shape->is_inbound ? local : remote);
	else
		sl_build_ip4(build, shape->is_inbound ? remote : local,
			shape->is_inbound ? local : remote);
	build_transport(build, shape);
	sl_build_bytes(build, payload, shape->payload);
}

static void
start(struct packet *packet, struct sl_build *build, uint16_t vlan)
{
	static const uint8_t a[6] = {2, 0, 0, 0, 0, 1}, b[6] = {2, 0, 0, 0, 0, 2};

	memset(packet, 0, sizeof(*packet));
	sl_build_init(build, packet->bytes, sizeof(packet->bytes));
	sl_build_ethernet(build, a, b);
	if (vlan != 0)
		sl_build_vlan(build, 0x8100, vlan);
}

static void
finish(struct packet *packet, struct sl_build *build)
{
	const uint32_t length = sl_build_finish(build);

	assert_true(length > 0);
	packet->frame = (struct sl_frame){
		.bytes = packet->bytes,
		.contiguous = length,
		.length = length,
	};
}

void
shape_build(struct packet *packet, const struct shape *shape)
{
	struct sl_build build;

	start(packet, &build, shape->vlan);
	build_ip(&build, shape);
	finish(packet, &build);
}

void
shape_build_error(struct packet *packet, const struct shape *shape)
{
	const uint32_t local = shape->local == 0 ? HOST_IN : shape->local;
	const uint32_t remote = shape->remote == 0 ? HOST_OUT : shape->remote;
	struct sl_build build, inner;
	uint8_t bytes[256];
	uint32_t n;

	sl_build_init(&inner, bytes, sizeof(bytes));
	build_ip(&inner, shape);
	n = sl_build_finish(&inner);
	start(packet, &build, shape->vlan);
	sl_build_ip4(
		&build, shape->is_inbound ? local : remote, shape->is_inbound ? remote : local);
	sl_build_icmp(&build, 3, 3, 0);
	sl_build_bytes(&build, bytes, n);
	finish(packet, &build);
}

uint32_t
shape_path(const struct shape *shape, bool is_inbound)
{
	if (shape->link == 1)
		return is_inbound ? PATH_IN_2 : PATH_OUT_2;
	return is_inbound ? PATH_IN : PATH_OUT;
}

enum sl_reason
shape_send(struct fixture *fixture, const struct shape *shape)
{
	struct sl_outcome outcome;
	struct packet packet;

	shape_build(&packet, shape);
	fixture_run(fixture, shape_path(shape, shape->is_inbound), &packet.frame, 1, &outcome);
	assert_int_equal(outcome.action == SL_VERDICT_PERMIT, outcome.reason == SL_REASON_NONE);
	assert_int_equal(fixture->n_differences, 0);
	return outcome.reason;
}

enum sl_reason
shape_send_error(struct fixture *fixture, const struct shape *shape)
{
	struct sl_outcome outcome;
	struct packet packet;

	shape_build_error(&packet, shape);
	fixture_run(fixture, shape->is_inbound ? PATH_OUT : PATH_IN, &packet.frame, 1, &outcome);
	return outcome.reason;
}

void
shapes_send(struct fixture *fixture, const struct shape shapes[], uint32_t n,
	struct sl_outcome outcomes[])
{
	struct packet packets[SL_PIPELINE_BURST_MAX];
	struct sl_frame frames[SL_PIPELINE_BURST_MAX];

	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(shapes[i].is_inbound, shapes[0].is_inbound);
		shape_build(&packets[i], &shapes[i]);
		frames[i] = packets[i].frame;
	}
	fixture_run(fixture, shape_path(&shapes[0], shapes[0].is_inbound), frames, n, outcomes);
}

void
shape_connect(struct fixture *fixture, const struct shape *shape)
{
	struct shape s = *shape;

	s.protocol = 6;
	s.payload = 0;
	s.flags = SYN;
	s.seq = 1000;
	s.ack = 0;
	assert_int_equal(shape_send(fixture, &s), SL_REASON_NONE);
	s.is_inbound = !s.is_inbound;
	s.flags = SYN | ACK;
	s.seq = 5000;
	s.ack = 1001;
	assert_int_equal(shape_send(fixture, &s), SL_REASON_NONE);
	s.is_inbound = !s.is_inbound;
	s.flags = ACK;
	s.seq = 1001;
	s.ack = 5001;
	assert_int_equal(shape_send(fixture, &s), SL_REASON_NONE);
}

void
pass_time(struct fixture *fixture, uint64_t ns)
{
	fixture->now_ns += ns;
	for (uint32_t i = 0; i < 64; i++)
		sl_pipeline_tick(
			fixture->pipeline, fixture->snapshot, SL_MODE_INLINE, fixture->now_ns);
}

void
block_all(struct fixture *fixture, enum sluice_layer layer, const char *key)
{
	fixture_add_all(fixture, layer, key, NULL, SLUICE_ACTION_BLOCK);
}

const struct sl_flow_counter *
counted(const struct fixture *fixture)
{
	return &fixture->counters->flows;
}

uint32_t
flows_live(const struct fixture *fixture)
{
	return sl_flow_table_count(sl_pipeline_flows(fixture->pipeline));
}

void
flow_only(const struct fixture *fixture, struct sl_flow_view *view)
{
	struct sl_flow_view views[2];
	uint32_t at = 0;

	assert_int_equal(sl_flow_list(sl_pipeline_flows(fixture->pipeline), &at, views, 2), 1);
	*view = views[0];
}
