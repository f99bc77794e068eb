/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/cutter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define FRAGMENT_HEADER 8u
#define IP6_SIZE        40u
#define SNAP_SIZE       8u
#define SNAP_AND_LENGTH 10u

static void
put_be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void
add_link(struct sl_build *build, const struct cutter_plan *plan)
{
	static const uint8_t dst[6] = {2, 0, 0, 0, 0, 1}, src[6] = {2, 0, 0, 0, 0, 2};
	static const uint8_t snap[10] = {0, 0, 0xaa, 0xaa, 3, 0, 0, 0, 0, 0};

	sl_build_ethernet(build, dst, src);
	for (uint32_t i = 0; i < plan->n_vlans; i++)
		sl_build_vlan(build, i + 1u < plan->n_vlans ? 0x88a8 : 0x8100, (uint16_t)(i + 1));
	if (!plan->is_snap)
		return;
	/* The type becomes a length, and the type follows in SNAP's last two bytes. */
	build->len -= 2;
	sl_build_bytes(build, snap, sizeof(snap));
	build->type_at = build->len - 2;
}

static void
add_extension(struct sl_build *build, uint8_t number)
{
	static const uint8_t padding[14] = {1, 12}, routing[6] = {2, 0, 0, 0, 0, 0};

	if (number == 43)
		sl_build_ip6_extension(build, number, routing, sizeof(routing));
	else
		sl_build_ip6_extension(build, number, padding, sizeof(padding));
}

static void
add_ip(struct sl_build *build, const struct cutter_plan *plan, struct cutter_whole *whole)
{
	static const uint8_t before[3] = {0, 43, 60};
	uint8_t options[40], src[16] = {0x20, 1, 0xd, 0xb8},
			     dst[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};

	whole->l3 = build->len;
	if (plan->ip_version == 4) {
		memset(options, 1, sizeof(options));
		sl_build_ip4(build, plan->src, 0x0a000001);
		if (plan->n_options > 0)
			sl_build_ip4_options(build, options, plan->n_options);
		put_be16(build->bytes + whole->l3 + 4, plan->id);
		whole->split = build->len;
		return;
	}
	put_be16(src + 12, plan->src >> 16);
	put_be16(src + 14, plan->src);
	sl_build_ip6(build, src, dst);
	whole->named_at = build->type_at;
	for (uint32_t i = 0; i < plan->n_before; i++) {
		add_extension(build, before[i]);
		whole->named_at = build->type_at;
	}
	whole->split = build->len;
	if (plan->has_after)
		add_extension(build, 60);
}

static void
add_transport(struct sl_build *build, const struct cutter_plan *plan)
{
	switch (plan->protocol) {
	case 6:
		sl_build_tcp(build, 1234, 80, 1, 2, 0x18);
		break;
	case 17:
		sl_build_udp(build, 1234, 53);
		break;
	case 1:
	case 58:
		sl_build_icmp(build, plan->protocol == 1 ? 8 : 128, 0, 0x10001);
		break;
	default:
		sl_build_type(build, plan->protocol);
	}
}

void
cutter_make(struct cutter_whole *whole, const struct cutter_plan *plan)
{
	struct sl_build build;
	uint8_t *payload;

	sl_build_init(&build, whole->bytes, sizeof(whole->bytes));
	whole->ip_version = plan->ip_version;
	whole->id = plan->id;
	whole->is_snap = plan->is_snap;
	whole->named_at = 0;
	add_link(&build, plan);
	add_ip(&build, plan, whole);
	add_transport(&build, plan);
	payload = sl_build_append(&build, plan->n_payload);
	assert_non_null(payload);
	for (uint32_t i = 0; i < plan->n_payload; i++)
		payload[i] = (uint8_t)(i * 7 + (i >> 8) + plan->id);
	whole->length = sl_build_finish(&build);
	assert_int_not_equal(whole->length, 0);
	whole->n = whole->length - whole->split;
}

uint32_t
cutter_payload_at(const struct cutter_whole *whole)
{
	return whole->split + (whole->ip_version == 6 ? FRAGMENT_HEADER : 0);
}

static void
mark_ip4(const struct cutter_whole *whole, uint32_t offset, uint32_t length, bool is_last,
	uint8_t *ip)
{
	put_be16(ip + 2, length - whole->l3);
	put_be16(ip + 6, offset / 8 | (is_last ? 0 : 0x2000u));
	sl_build_ip4_checksum(ip);
}

static void
mark_ip6(const struct cutter_whole *whole, uint32_t offset, uint32_t length, bool is_last,
	uint8_t *bytes)
{
	uint8_t *header = bytes + whole->split;

	header[0] = bytes[whole->named_at];
	header[1] = 0;
	put_be16(header + 2, offset | !is_last);
	put_be16(header + 4, whole->id >> 16);
	put_be16(header + 6, whole->id);
	bytes[whole->named_at] = 44;
	put_be16(bytes + whole->l3 + 4, length - whole->l3 - IP6_SIZE);
}

uint32_t
cutter_cut(
	const struct cutter_whole *whole, uint32_t offset, uint32_t n, bool is_last, uint8_t *bytes)
{
	uint32_t at = cutter_payload_at(whole), there = 0;

	memcpy(bytes, whole->bytes, whole->split);
	if (offset < whole->n)
		there = SL_MIN(n, whole->n - offset);
	memcpy(bytes + at, whole->bytes + whole->split + offset, there);
	memset(bytes + at + there, 0xee, n - there);
	if (whole->is_snap)
		put_be16(bytes + whole->l3 - SNAP_AND_LENGTH, at + n - whole->l3 + SNAP_SIZE);
	if (whole->ip_version == 4)
		mark_ip4(whole, offset, at + n, is_last, bytes + whole->l3);
	else
		mark_ip6(whole, offset, at + n, is_last, bytes);
	return at + n;
}

void
cutter_parse(const uint8_t *bytes, uint32_t length, struct sl_frame *frame, struct sl_meta *meta)
{
	static const struct sl_meta_ports ports = {.arrival_index = 1, .nexthop_index = 2};

	memset(meta, 0, sizeof(*meta));
	sl_meta_setup(meta, SLUICE_DIRECTION_INBOUND, &ports);
	*frame = (struct sl_frame){.bytes = bytes, .contiguous = length, .length = length};
	sl_packet_parse(SL_LINK_ETHERNET, frame, 1, &meta);
}
