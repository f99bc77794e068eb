/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SLUICE_TYPES_H
#define SLUICE_TYPES_H

/*
 * The vocabulary shared by the appliance and its callouts: layers, fields, data types, actions, flags.
 * Numbers are WFP's (appendix C) where WFP has them, and never change.
 */

#include <stdint.h>

/* Filtering layers. The value is the run-time id; ids have gaps. */
enum sluice_layer {
#define X(name, text, id, ip_version, schema, status, orientation, twin) SLUICE_LAYER_##name = id,
#include "sluice_layers.def"
#undef X
	SLUICE_LAYER_COUNT = 80 /* one more than the highest id */
};

/* Fields of all layers. New ones are added at the end of the list only. */
enum sluice_field {
#define X(name, text, type) SLUICE_FIELD_##name,
#include "sluice_fields.def"
#undef X
	SLUICE_FIELD_COUNT
};

/* FWP_DATA_TYPE (WFP section 2.1). Values above SINGLE_DATA_TYPE_MAX occur in conditions only. */
enum sluice_data_type {
	SLUICE_TYPE_EMPTY = 0,
	SLUICE_TYPE_UINT8 = 1,
	SLUICE_TYPE_UINT16 = 2,
	SLUICE_TYPE_UINT32 = 3,
	SLUICE_TYPE_UINT64 = 4,
	SLUICE_TYPE_BYTE_ARRAY16 = 11,
	SLUICE_TYPE_BYTE_BLOB = 12,
	SLUICE_TYPE_BYTE_ARRAY6 = 18,
	SLUICE_TYPE_IP_ADDRESS =
		0xf0, /* schema only: UINT32 at IPv4 layers, BYTE_ARRAY16 at IPv6 layers */
	SLUICE_TYPE_SINGLE_DATA_TYPE_MAX = 0xff,
	SLUICE_TYPE_V4_ADDR_MASK = 0x100,
	SLUICE_TYPE_V6_ADDR_MASK = 0x101,
	SLUICE_TYPE_RANGE = 0x102,
	SLUICE_TYPE_SET = 0x200 /* ours: the key of a set */
};

/* FWP_ACTION (WFP section 3.5). */
enum sluice_action {
	SLUICE_ACTION_UNTOUCHED = 0, /* ours: what actionType holds before a callout is called */
	SLUICE_ACTION_NONE = 0x7,
	SLUICE_ACTION_NONE_NO_MATCH = 0x8,
	SLUICE_ACTION_BLOCK = 0x1001,
	SLUICE_ACTION_PERMIT = 0x1002,
	SLUICE_ACTION_CONTINUE = 0x2006,
	SLUICE_ACTION_CALLOUT_UNKNOWN = 0x4005,
	SLUICE_ACTION_CALLOUT_TERMINATING = 0x5003,
	SLUICE_ACTION_CALLOUT_INSPECTION = 0x6004
};

enum sluice_direction {
	SLUICE_DIRECTION_OUTBOUND = 0, /* inside to outside */
	SLUICE_DIRECTION_INBOUND = 1   /* outside to inside */
};

/* Condition flags: the field FLAGS (WFP section 2.5). */
#define SLUICE_CONDITION_FLAG_IS_LOOPBACK            0x00000001u
#define SLUICE_CONDITION_FLAG_IS_REAUTHORIZE         0x00000004u
#define SLUICE_CONDITION_FLAG_IS_FRAGMENT            0x00000020u
#define SLUICE_CONDITION_FLAG_REQUIRES_ALE_CLASSIFY  0x00000100u
#define SLUICE_CONDITION_FLAG_IS_REASSEMBLED         0x00000400u
#define SLUICE_CONDITION_FLAG_IS_INJECTED            0x10000000u
#define SLUICE_CONDITION_FLAG_IS_TUNNELLED           0x20000000u
#define SLUICE_CONDITION_FLAG_IS_MALFORMED_TOLERATED 0x40000000u
#define SLUICE_CONDITION_FLAG_IS_MIDSTREAM           0x80000000u

/* The field REAUTHORIZE_REASON (WFP section 2.7). */
#define SLUICE_REAUTHORIZE_POLICY_CHANGE         0x1u
#define SLUICE_REAUTHORIZE_NEW_ARRIVAL_INTERFACE 0x2u
#define SLUICE_REAUTHORIZE_NEW_NEXTHOP_INTERFACE 0x4u
#define SLUICE_REAUTHORIZE_CLASSIFY_COMPLETION   0x10u
#define SLUICE_REAUTHORIZE_MID_STREAM_INSPECTION 0x40u

/* The field L2_FLAGS (WFP section 2.6). */
#define SLUICE_L2_FLAG_NATIVE_ETHERNET      0x01u
#define SLUICE_L2_FLAG_MALFORMED_PACKET     0x20u
#define SLUICE_L2_FLAG_IF_CONNECTOR_PRESENT 0x80u

/* NL_ADDRESS_TYPE and DL_ADDRESS_TYPE (WFP section 1.5). */
#define SLUICE_NL_UNSPECIFIED 0
#define SLUICE_NL_UNICAST     1
#define SLUICE_NL_ANYCAST     2
#define SLUICE_NL_MULTICAST   3
#define SLUICE_NL_BROADCAST   4
#define SLUICE_DL_UNICAST     0
#define SLUICE_DL_MULTICAST   1
#define SLUICE_DL_BROADCAST   2

/* The field X_IP_OPTIONS: which IPv4 options are present. */
#define SLUICE_IP_OPTION_RECORD_ROUTE 0x01u /* 7 */
#define SLUICE_IP_OPTION_TIMESTAMP    0x02u /* 68 */
#define SLUICE_IP_OPTION_SECURITY     0x04u /* 130 */
#define SLUICE_IP_OPTION_LSRR         0x08u /* 131 */
#define SLUICE_IP_OPTION_SSRR         0x10u /* 137 */
#define SLUICE_IP_OPTION_STREAM_ID    0x20u /* 136 */
#define SLUICE_IP_OPTION_ROUTER_ALERT 0x40u /* 148 */
#define SLUICE_IP_OPTION_OTHER        0x80u

/* The field X_IP6_EXTENSION_HEADERS: which extension headers are present. */
#define SLUICE_IP6_EXT_HOP_BY_HOP  0x01u /* 0 */
#define SLUICE_IP6_EXT_ROUTING     0x02u /* 43 */
#define SLUICE_IP6_EXT_FRAGMENT    0x04u /* 44 */
#define SLUICE_IP6_EXT_AH          0x08u /* 51 */
#define SLUICE_IP6_EXT_DESTINATION 0x10u /* 60 */
#define SLUICE_IP6_EXT_MOBILITY    0x20u /* 135 */
#define SLUICE_IP6_EXT_HIP         0x40u /* 139 */
#define SLUICE_IP6_EXT_SHIM6       0x80u /* 140 */

#endif
