#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Packets that the parser refuses are blocked under the name of what is wrong with them."""
from base import *
from scapy.layers.inet6 import IPv6, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting
from scapy.layers.l2 import ARP, Dot1Q
from scapy.packet import Raw


def changed(frame, at, value):
    """The frame's bytes with one changed, IPv4 checksum not mended."""
    data = bytearray(bytes(frame))
    data[at] = value
    return bytes(data)


def v6(payload, **members):
    return Ether(src=MAC_OUT, dst=MAC_IN) / IPv6(src=HOST_OUT6, dst=HOST_IN6, **members) / payload


PADDED = Raw(b"x" * 20)

REFUSED = {
    "eth_truncated": bytes(to_inside(UDP()))[:13],
    "vlan_truncated": bytes(Ether(src=MAC_OUT, dst=MAC_IN) / Dot1Q(vlan=1))[:16],
    "vlan_too_many": Ether(src=MAC_OUT, dst=MAC_IN, type=0x8100) / (b"\0\1\x81\0" * 9),
    "ip4_truncated": bytes(to_inside(UDP()))[:33],
    "ip4_bad_version": changed(to_inside(UDP()), 14, 0x55),
    "ip4_bad_header_length": changed(to_inside(UDP()), 14, 0x44),
    "ip4_bad_total_length": to_inside(UDP() / PADDED, len=2000),
    "ip4_bad_checksum": to_inside(UDP() / PADDED, chksum=0xBEEF),
    "ip4_bad_option": to_inside(UDP(), options=[], ihl=6),
    "ip4_tiny_fragment": to_inside(Raw(b"x" * 8), proto=6, flags="MF"),
    "ip6_truncated": bytes(v6(UDP()))[:53],
    "ip6_bad_version": changed(v6(UDP()), 14, 0x40),
    "ip6_bad_payload_length": v6(UDP(), plen=500),
    "ip6_hop_by_hop_not_first": v6(IPv6ExtHdrRouting(type=2, segleft=0) / IPv6ExtHdrHopByHop() / UDP()),
    "ip6_routing_type_0": v6(IPv6ExtHdrRouting(type=0, segleft=1, addresses=[HOST_IN6]) / UDP()),
    "tcp_truncated": to_inside(Raw(b"x" * 19), proto=6),
    "tcp_bad_data_offset": to_inside(TCP(dataofs=4)),
    "udp_truncated": to_inside(Raw(b"x" * 7), proto=17),
    "udp_bad_length": to_inside(UDP(len=7) / PADDED),
    "icmp_truncated": to_inside(Raw(b"x" * 3), proto=1),
    "icmp6_truncated": v6(Raw(b"x" * 3), nh=58),
    "arp_truncated": bytes(Ether(src=MAC_OUT, dst=MAC_IN) / ARP())[:30],
}


class Refused(ReplayTest):
    def setUp(self):
        super().setUp()
        # An option's length of 1 can not be.
        bad = bytearray(bytes(to_inside(UDP() / PADDED, options=b"\x07\x01\0\0")))
        bad[24:26] = b"\0\0"
        self.packets = dict(REFUSED)
        self.packets["ip4_bad_option"] = self.with_checksum(bad)

    @staticmethod
    def with_checksum(frame):
        size = (frame[14] & 15) * 4
        total = sum(int.from_bytes(frame[14 + i : 16 + i], "big") for i in range(0, size, 2))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        frame[24:26] = (~total & 0xFFFF).to_bytes(2, "big")
        return bytes(frame)

    def test_reasons(self):
        answer = self.replay({}, list(self.packets.values()))
        self.assertEqual(answer.short, list(self.packets))
        for verdict in answer.verdicts:
            self.assertEqual(
                [verdict[n] for n in ("verdict", "layer", "sublayer", "filter")],
                ["block", None, None, None],
            )
        self.assertEqual({e["type"] for e in answer.events}, {"parser_drop"})
        self.assertEqual([e["reason"] for e in answer.events], list(self.packets))
        self.assertEqual(answer.permitted[1], [])

    def test_ethernet_policy_comes_first(self):
        filters = [
            filter_of("broken", "inbound_mac_frame_ethernet", "block",
                      ("l2_flags", "flags_all_set", ["malformed_packet"]))
        ]  # fmt: skip
        names = ["ip4_bad_checksum", "tcp_truncated", "arp_truncated"]
        packets = [self.packets[n] for n in names] + [to_inside(UDP())]
        self.assertEqual(self.judge(filters, packets), ["broken"] * 3 + ["permit"])

    def test_every_cut_of_a_packet(self):
        """No cut may crash, and no cut into the headers may pass."""
        whole = bytes(to_inside(TCP(options=[("MSS", 1460)]) / Raw(b"x" * 30)))
        answer = self.replay({}, [whole[:n] for n in range(len(whole) + 1)])
        self.assertEqual(set(answer.short[:-1]) & {"permit"}, set())
        self.assertEqual(answer.short[-1], "permit")


if __name__ == "__main__":
    main()
