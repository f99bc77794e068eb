#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Verdicts of ordinary packets: protocols, directions, VLANs, fragments, IPv6."""
from base import *
from scapy.layers.inet import fragment
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import ARP, LLC, Dot1Q, Dot3
from scapy.packet import Raw


def v6_to_inside(payload, **members):
    return Ether(src=MAC_OUT, dst=MAC_IN) / IPv6(src=HOST_OUT6, dst=HOST_IN6, **members) / payload


class Lines(ReplayTest):
    def test_verdict_lines_to_the_letter(self):
        policy = {
            "sublayers": [{"key": "edge", "name": "Edge", "weight": 40000}],
            "filters": [
                filter_of(
                    "no-telnet", "inbound_transport_v4", "block",
                    ("ip_protocol", "equal", 6), ("ip_local_port", "equal", 23),
                    sublayer="edge",
                )
            ],
        }  # fmt: skip
        broken = to_inside(UDP(dport=53))
        broken.chksum = 0x1234
        self.replay(policy, [to_outside(TCP(dport=23)), to_inside(TCP(dport=23)), broken])
        self.assertEqual(
            (self.folder / "verdicts").read_text(),
            '{"n":1,"time":"2026-01-02T03:04:05.000006Z","direction":"outbound","verdict":"permit",'
            '"layer":null,"sublayer":null,"filter":null,"reason":null}\n'
            '{"n":2,"time":"2026-01-02T03:04:05.001006Z","direction":"inbound","verdict":"block",'
            '"layer":"inbound_transport_v4","sublayer":"edge","filter":"no-telnet","reason":"filter"}\n'
            '{"n":3,"time":"2026-01-02T03:04:05.002006Z","direction":"inbound","verdict":"block",'
            '"layer":null,"sublayer":null,"filter":null,"reason":"ip4_bad_checksum"}\n',
        )

    def test_metadata_line(self):
        answer = self.replay({}, [to_inside(UDP(sport=1, dport=2) / b"abc", id=7, tos=0x28, ttl=9)])
        got = answer.metadata[0]
        wanted = {
            "n": 1, "eth_src": MAC_OUT, "eth_dst": MAC_IN, "eth_type": 2048, "ip_version": 4,
            "ip_src": HOST_OUT, "ip_dst": HOST_IN, "ip_protocol": 17, "ip_ttl": 9, "ip_dscp": 10,
            "ip_id": 7, "frag_offset": 0, "more_fragments": False, "src_port": 1, "dst_port": 2,
            "payload_length": 3,
        }  # fmt: skip
        self.assertEqual({name: got.get(name) for name in wanted}, wanted)
        for absent in ("vlan", "tcp_flags", "icmp_type", "malformed", "ip6_ext"):
            self.assertNotIn(absent, got)

    def test_events_and_permitted(self):
        packets = [to_inside(TCP(dport=80 + i % 2)) for i in range(10)]
        answer = self.replay(
            {"filters": [filter_of("odd", "inbound_transport_v4", "block", ("ip_local_port", "equal", 81))]},
            packets,
        )
        self.assertEqual([e["id"] for e in answer.events], list(range(1, 6)))
        for event, verdict in zip(answer.events, answer.verdicts[1::2]):
            for name in ("time", "direction", "layer", "sublayer", "filter", "reason"):
                self.assertEqual(event[name], verdict[name], name)
        event = answer.events[0]
        self.assertEqual(event["type"], "classify_drop")
        self.assertEqual(event["link"], "wan")
        self.assertEqual(event["destination_port"], 81)
        self.assertEqual([d["filter"] for d in event["decisions"]], ["odd"])
        linktype, records = answer.permitted
        self.assertEqual(linktype, ETHERNET)
        self.assertEqual(
            records, [(START + i * 1_000_000, bytes(p)) for i, p in enumerate(packets) if i % 2 == 0]
        )
        self.assertIn("10 packets: 5 permitted, 5 blocked (filter 5)", answer.stderr)

    def test_empty_capture(self):
        answer = self.replay({}, [])
        self.assertEqual(answer.permitted, (ETHERNET, []))
        self.assertIn("0 packets: 0 permitted, 0 blocked\n", answer.stderr)


class Directions(ReplayTest):
    def directions(self, packets):
        return [v["direction"] for v in self.replay({}, packets).verdicts]

    def test_by_source(self):
        arp = Ether(src=MAC_IN, dst="ff:ff:ff:ff:ff:ff") / ARP(psrc=HOST_IN, pdst=HOST_OUT)
        foreign_arp = Ether(src=MAC_OUT, dst="ff:ff:ff:ff:ff:ff") / ARP(psrc=HOST_OUT, pdst=HOST_IN)
        lldp = Ether(src=MAC_IN, dst="01:80:c2:00:00:0e", type=0x88CC) / b"\0\0"
        malformed = to_outside(UDP(dport=1))
        malformed.chksum = 1
        packets = [
            to_outside(UDP()), to_inside(UDP()), v6_to_inside(UDP()),
            Ether(src=MAC_OUT, dst=MAC_IN) / IPv6(src=HOST_IN6, dst=HOST_OUT6) / UDP(), arp, foreign_arp, lldp, malformed,
            Ether(src=MAC_IN, dst=MAC_OUT) / Dot1Q(vlan=3) / IP(src=HOST_IN, dst=HOST_OUT) / UDP(),
        ]  # fmt: skip
        self.assertEqual(
            self.directions(packets),
            ["outbound", "inbound", "inbound", "outbound", "outbound", "inbound", "inbound",
             "outbound", "outbound"],
        )  # fmt: skip

    def test_local_and_remote_turn_with_the_direction(self):
        filters = [
            filter_of("in", "inbound_transport_v4", "block", ("ip_local_port", "equal", 53)),
            filter_of("out", "outbound_transport_v4", "block", ("ip_remote_port", "equal", 53)),
        ]
        packets = [
            to_inside(UDP(sport=9, dport=53)), to_inside(UDP(sport=53, dport=9)),
            to_outside(UDP(sport=9, dport=53)), to_outside(UDP(sport=53, dport=9)),
        ]  # fmt: skip
        self.assertEqual(self.judge(filters, packets), ["in", "permit", "out", "permit"])


class Protocols(ReplayTest):
    def test_tcp_flags_udp_icmp(self):
        filters = [
            filter_of("syn", "inbound_transport_v4", "block", ("ip_protocol", "equal", 6),
                      ("x_tcp_flags", "flags_all_set", ["syn"]), ("x_tcp_flags", "flags_none_set", ["ack"])),
            filter_of("dns", "inbound_transport_v4", "block", ("ip_protocol", "equal", 17),
                      ("ip_local_port", "range", [53, 54])),
            filter_of("ping", "inbound_transport_v4", "block", ("ip_protocol", "equal", 1),
                      ("icmp_type", "equal", 8)),
        ]  # fmt: skip
        packets = [
            to_inside(TCP(flags="S")), to_inside(TCP(flags="SA")), to_inside(UDP(dport=54)),
            to_inside(UDP(dport=55)), to_inside(ICMP(type=8)), to_inside(ICMP(type=0)),
        ]  # fmt: skip
        # Conditions on one field are alternatives: "syn" also matches without ACK.
        self.assertEqual(
            self.judge(filters, packets), ["syn", "syn", "dns", "permit", "ping", "permit"]
        )

    def test_icmp_error(self):
        embedded = IP(src=HOST_IN, dst=HOST_OUT) / UDP(sport=1000, dport=53)
        filters = [
            filter_of("dead", "inbound_icmp_error_v4", "block", ("embedded_protocol", "equal", 17),
                      ("embedded_local_port", "equal", 1000), ("embedded_remote_port", "equal", 53))
        ]  # fmt: skip
        other = IP(src=HOST_IN, dst=HOST_OUT) / UDP(sport=1001, dport=53)
        packets = [
            to_inside(ICMP(type=3, code=3) / embedded), to_inside(ICMP(type=3, code=3) / other),
            to_inside(ICMP(type=8) / embedded),
        ]  # fmt: skip
        self.assertEqual(self.judge(filters, packets), ["dead", "permit", "permit"])

    def test_arp_and_other_frames(self):
        filters = [
            filter_of("arp", "inbound_mac_frame_ethernet", "block", ("ether_type", "equal", 0x0806)),
            filter_of("lldp", "egress_vswitch_ethernet", "block", ("ether_type", "equal", 0x88CC)),
            filter_of("typeless", "ingress_vswitch_ethernet", "block", ("ether_type", "equal", None)),
        ]
        packets = [
            Ether(src=MAC_OUT, dst=MAC_IN) / ARP(psrc=HOST_OUT, pdst=HOST_IN),
            Ether(src=MAC_OUT, dst="01:80:c2:00:00:0e", type=0x88CC) / b"\0\0",
            Dot3(src=MAC_OUT, dst="01:80:c2:00:00:00") / LLC(dsap=0x42, ssap=0x42) / (b"\0" * 35),
            Ether(src=MAC_OUT, dst=MAC_IN, type=0x9999) / b"\0",
        ]
        self.assertEqual(self.judge(filters, packets), ["arp", "lldp", "typeless", "permit"])

    def test_interface_names(self):
        filters = [
            filter_of("from", "ingress_vswitch_ethernet", "block",
                      ("vswitch_source_interface_id", "equal", "dmz.outside")),
        ]  # fmt: skip
        packets = [to_inside(UDP()), to_outside(UDP())]
        self.assertEqual(self.judge(filters, packets, "--link", "dmz"), ["from", "permit"])
        self.assertEqual(self.judge(filters, packets), ["permit", "permit"])


class Vlans(ReplayTest):
    def test_tags(self):
        def tagged(*tags):
            frame = Ether(src=MAC_OUT, dst=MAC_IN)
            for kind, tci in tags:
                frame.lastlayer().type = kind
                frame = frame / Dot1Q(vlan=tci & 0xFFF, prio=tci >> 13)
            return frame / IP(src=HOST_OUT, dst=HOST_IN) / UDP(dport=1)

        filters = [
            filter_of("vid", "inbound_transport_v4", "block", ("x_vlan_vid", "equal", 100)),
            filter_of("tci", "inbound_mac_frame_ethernet", "block", ("vlan_id", "equal", 0xA0C8)),
            filter_of("untagged", "inbound_mac_frame_ethernet", "block", ("vlan_id", "equal", None)),
        ]
        packets = [
            tagged((0x8100, 100)), tagged((0x8100, 0x6064)), tagged((0x88A8, 100), (0x8100, 7)),
            tagged((0x8100, 7), (0x8100, 100)), tagged((0x8100, 0xA0C8)), tagged(),
        ]  # fmt: skip
        answer = self.replay({"filters": filters}, packets)
        self.assertEqual(answer.short, ["vid", "vid", "vid", "permit", "tci", "untagged"])
        self.assertEqual(
            [m.get("vlan") for m in answer.metadata], [[100], [100], [100, 7], [7, 100], [200], None]
        )


class Fragments(ReplayTest):
    def test_single_ones(self):
        """Where nobody asks for whole datagrams, or reassembly is off; see test_fragments.py for the rest."""
        datagram = IP(src=HOST_OUT, dst=HOST_IN, id=9) / UDP(sport=1, dport=53) / Raw(b"x" * 3000)
        packets = [Ether(src=MAC_OUT, dst=MAC_IN) / f for f in fragment(datagram, 1400)]
        self.assertEqual(len(packets), 3)
        flows = self.folder / "flows.json"
        flows.write_text('{"fragments": {"reassemble": "never"}}')
        filters = [filter_of("dns", "inbound_transport_v4", "block", ("ip_local_port", "equal", 53))]
        answer = self.replay({"filters": filters}, packets, "--flows", flows)
        self.assertEqual(answer.short, ["dns", "permit", "permit"])
        self.assertEqual([m.get("dst_port") for m in answer.metadata], [53, None, None])
        filters = [
            filter_of("later", "inbound_transport_v4", "block", ("ip_local_port", "equal", None)),
        ]
        self.assertEqual(self.judge(filters, packets, "--flows", flows), ["permit", "later", "later"])
        filters = [
            filter_of("any", "inbound_ippacket_v4", "block", ("flags", "flags_all_set", ["is_fragment"]))
        ]
        self.assertEqual(self.judge(filters, packets + [to_inside(UDP())]), ["any"] * 3 + ["permit"])


class Version6(ReplayTest):
    def test_icmp6_and_extensions(self):
        filters = [
            filter_of("echo", "inbound_transport_v6", "block", ("ip_protocol", "equal", 58),
                      ("icmp_type", "equal", 128)),
            filter_of("options", "inbound_ippacket_v6", "block",
                      ("x_ip6_extension_headers", "flags_any_set", ["destination"])),
            filter_of("net", "ipforward_v6", "block",
                      ("ip_source_address", "equal", "2001:db8:bad::/48")),
        ]  # fmt: skip
        packets = [
            v6_to_inside(ICMPv6EchoRequest()),
            v6_to_inside(IPv6ExtHdrHopByHop() / ICMPv6EchoRequest()),
            v6_to_inside(IPv6ExtHdrDestOpt() / UDP(dport=1)),
            Ether(src=MAC_OUT, dst=MAC_IN) / IPv6(src="2001:db8:bad::1", dst=HOST_IN6) / UDP(dport=1),
            v6_to_inside(UDP(dport=1)),
            v6_to_inside(IPv6ExtHdrFragment(m=1, offset=0) / UDP(dport=1) / (b"x" * 16)),
        ]
        self.assertEqual(
            self.judge(filters, packets), ["echo", "echo", "options", "net", "permit", "frag_timeout"]
        )


if __name__ == "__main__":
    main()
