/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_METADATA_JSON_H
#define APP_METADATA_JSON_H

#include "base/sl_buf.h"
#include "packet/sl_packet.h"

#include <stdint.h>

/*
 * Adds what the parser saw in one packet as a JSON object without a newline.
 *
 * A member is there when the packet has the value: untagged frames have no "vlan", later fragments no
 * ports, ICMP has its type and code and no ports.  "malformed" names the fault of a packet that
 * contradicts itself, "refused" why a well-formed one is dropped all the same.
 *
 * n, direction, eth_src, eth_dst, eth_type, vlan (VIDs, outermost first), ip_version, ip_src, ip_dst,
 * ip_protocol (IPv6: the last next-header), ip_ttl, ip_dscp, ip_length (IPv4 total length; IPv6: 40
 * more than the payload length), ip_options (SLUICE_IP_OPTION_*, IPv4 with options only), ip_id, frag_offset (bytes), more_fragments (IPv6: with a fragment
 * header only), ip6_ext (next-header numbers), src_port, dst_port, tcp_flags (12 bits, reserved ones
 * included), icmp_type, icmp_code, payload_length; of the packet in an ICMP error emb_protocol,
 * emb_remote, emb_local_port, emb_remote_port; tunnel, malformed, refused.
 */
void metadata_json(
	struct sl_buf *buf, uint64_t n, const struct sl_frame *frame, const struct sl_meta *meta);

#endif
