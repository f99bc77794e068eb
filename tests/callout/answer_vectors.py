#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes answer_vectors.def: packets, and the answers to them as scapy builds them.

Usage: tests/callout/answer_vectors.py > tests/callout/answer_vectors.def
"""
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_LSRR, IPOption_NOP, IPOption_RR
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt,
                                IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN)
from scapy.layers.l2 import ARP, LLC, SNAP, Dot1AD, Dot1Q, Dot3, Ether
from scapy.packet import Raw

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
A4, B4 = "192.0.2.10", "198.51.100.20"
A6, B6 = "2001:db8::a", "2001:db8:1::b"
there, back = Ether(src=A, dst=B), Ether(src=B, dst=A)


def padded(frame):
    return bytes(frame).ljust(60, b"\0")


def reset4(link=back, **tcp):
    return padded(link / IP(src=B4, dst=A4, id=0, flags="DF", ttl=64) / TCP(sport=80, dport=4000, window=0, **tcp))


def reset6(link=back, **tcp):
    return padded(link / IPv6(src=B6, dst=A6, hlim=64) / TCP(sport=80, dport=4000, window=0, **tcp))


def unreachable4(quoted, link=back):
    return padded(link / IP(src=B4, dst=A4, id=0, flags="DF", ttl=64, tos=0xc0)
                  / ICMP(type=3, code=3) / Raw(bytes(quoted)[:548]))


def unreachable6(quoted, link=back):
    return padded(link / IPv6(src=B6, dst=A6, hlim=64) / ICMPv6DestUnreach(code=4) / Raw(bytes(quoted)[:1232]))


ip4 = IP(src=A4, dst=B4, id=7)
ip6 = IPv6(src=A6, dst=B6)
vectors = []


def vector(name, question, answer=b"", l2=14):
    vectors.append((name, bytes(question), l2, bytes(answer)))


def tcp(**fields):
    return TCP(sport=4000, dport=80, **fields)


udp = UDP(sport=4000, dport=53)

# TCP: sequence numbers by RFC 9293 section 3.10.7.1.
vector("tcp4_syn", there / ip4 / tcp(flags="S", seq=1000), reset4(flags="RA", ack=1001))
vector("tcp4_syn_options", there / ip4 / tcp(flags="S", seq=1000, options=[("MSS", 1460), ("WScale", 7)]),
       reset4(flags="RA", ack=1001))
vector("tcp4_syn_data", there / ip4 / tcp(flags="S", seq=5) / Raw(b"x" * 100), reset4(flags="RA", ack=106))
vector("tcp4_syn_wraps", there / ip4 / tcp(flags="S", seq=0xffffffff), reset4(flags="RA", ack=0))
vector("tcp4_syn_ack", there / ip4 / tcp(flags="SA", seq=1, ack=77), reset4(flags="R", seq=77))
vector("tcp4_ack_data", there / ip4 / tcp(flags="PA", seq=1, ack=0xfffffff0) / Raw(b"hello"),
       reset4(flags="R", seq=0xfffffff0))
vector("tcp4_fin", there / ip4 / tcp(flags="F", seq=9) / Raw(b"abc"), reset4(flags="RA", ack=13))
vector("tcp4_null", there / ip4 / tcp(flags="", seq=9) / Raw(b"abc"), reset4(flags="RA", ack=12))
vector("tcp4_syn_fin", there / ip4 / tcp(flags="SF", seq=9), reset4(flags="RA", ack=11))
vector("tcp4_padded", padded(there / ip4 / tcp(flags="", seq=9)), reset4(flags="RA", ack=9))
vector("tcp4_rst", there / ip4 / tcp(flags="R", seq=1))
vector("tcp4_rst_ack", there / ip4 / tcp(flags="RA", seq=1, ack=2))
vector("tcp4_options", there / IP(src=A4, dst=B4, options=[IPOption_NOP(), IPOption_RR(routers=["0.0.0.0"])])
       / tcp(flags="S", seq=1), reset4(flags="RA", ack=2))
vector("tcp4_source_route", there / IP(src=A4, dst=B4, options=[IPOption_NOP(), IPOption_LSRR(routers=[A4])])
       / tcp(flags="S", seq=1))
vector("tcp4_first_fragment_syn", there / IP(src=A4, dst=B4, flags="MF") / tcp(flags="S") / Raw(b"x" * 12))
vector("tcp4_first_fragment_ack", there / IP(src=A4, dst=B4, flags="MF") / tcp(flags="A", ack=3) / Raw(b"x" * 12),
       reset4(flags="R", seq=3))
vector("tcp4_later_fragment", there / IP(src=A4, dst=B4, frag=4) / tcp(flags="A", ack=3))
vector("tcp4_bad_offset", there / ip4 / tcp(flags="S", dataofs=15))
vector("tcp4_short", there / IP(src=A4, dst=B4, proto=6) / Raw(b"\0" * 19))
vector("tcp6_syn", there / ip6 / tcp(flags="S", seq=1000), reset6(flags="RA", ack=1001))
vector("tcp6_ack", there / ip6 / tcp(flags="A", ack=5), reset6(flags="R", seq=5))
vector("tcp6_extensions", there / ip6 / IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])
       / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)]) / tcp(flags="S", seq=1) / Raw(b"12345"),
       reset6(flags="RA", ack=7))
vector("tcp6_atomic_fragment", there / ip6 / IPv6ExtHdrFragment(id=1) / tcp(flags="S", seq=1),
       reset6(flags="RA", ack=2))
vector("tcp6_route_done", there / ip6 / IPv6ExtHdrRouting(type=2, addresses=[A6], segleft=0) / tcp(flags="S", seq=1),
       reset6(flags="RA", ack=2))
vector("tcp6_route_left", there / ip6 / IPv6ExtHdrRouting(type=2, addresses=[A6], segleft=1) / tcp(flags="S", seq=1))
vector("tcp6_rst", there / ip6 / tcp(flags="R", seq=1))

# Link layers.
vector("vlan_tcp4", there / Dot1Q(vlan=100, prio=5) / ip4 / tcp(flags="S", seq=1),
       reset4(back / Dot1Q(vlan=100, prio=5), flags="RA", ack=2), 18)
vector("qinq_tcp6", there / Dot1AD(vlan=10) / Dot1Q(vlan=20) / ip6 / tcp(flags="S", seq=1),
       reset6(back / Dot1AD(vlan=10) / Dot1Q(vlan=20), flags="RA", ack=2), 22)
snap = LLC(dsap=0xaa, ssap=0xaa, ctrl=3) / SNAP(OUI=0, code=0x800)
vector("llc_tcp4", Dot3(src=A, dst=B) / snap / ip4 / tcp(flags="S", seq=1),
       reset4(Dot3(src=B, dst=A) / snap, flags="RA", ack=2), 22)
vector("vlan_udp4", there / Dot1Q(vlan=7) / ip4 / udp / Raw(b"q"),
       unreachable4(ip4 / udp / Raw(b"q"), back / Dot1Q(vlan=7)), 18)
vector("mac_broadcast", Ether(src=A, dst="ff:ff:ff:ff:ff:ff") / ip4 / udp / Raw(b"q"))
vector("mac_multicast", Ether(src=A, dst="01:00:5e:00:00:01") / ip4 / tcp(flags="S"))
vector("mac_group_source", Ether(src="03:00:00:00:00:0a", dst=B) / ip4 / tcp(flags="S"))

# UDP.
vector("udp4", there / ip4 / udp / Raw(b"query"), unreachable4(ip4 / udp / Raw(b"query")))
vector("udp4_empty", there / ip4 / udp, unreachable4(ip4 / udp))
vector("udp4_padded", padded(there / ip4 / udp / Raw(b"q")), unreachable4(ip4 / udp / Raw(b"q")))
big = Raw(bytes(i & 0xff for i in range(1400)))
vector("udp4_big", there / ip4 / udp / big, unreachable4(ip4 / udp / big))
vector("udp4_odd", there / ip4 / udp / Raw(big.load[:521]), unreachable4(ip4 / udp / Raw(big.load[:521])))
first = IP(src=A4, dst=B4, flags="MF") / UDP(sport=4000, dport=53, len=2000, chksum=1) / Raw(b"x" * 16)
vector("udp4_first_fragment", there / first, unreachable4(first))
vector("udp4_later_fragment", there / IP(src=A4, dst=B4, frag=185, proto=17) / Raw(b"x" * 16))
vector("udp4_to_multicast", there / IP(src=A4, dst="224.0.0.251") / udp)
vector("udp4_to_broadcast", there / IP(src=A4, dst="255.255.255.255") / udp)
vector("udp4_from_nobody", there / IP(src="0.0.0.0", dst=B4) / udp)
vector("udp4_from_loopback", there / IP(src="127.0.0.1", dst=B4) / udp)
vector("udp4_from_multicast", there / IP(src="239.1.1.1", dst=B4) / udp)
vector("udp4_short", there / IP(src=A4, dst=B4, proto=17) / Raw(b"1234567"))
vector("udp4_beyond_frame", there / IP(src=A4, dst=B4, len=200) / udp / Raw(b"x" * 20))
vector("udp6", there / ip6 / udp / Raw(b"query"), unreachable6(ip6 / udp / Raw(b"query")))
vector("udp6_big", there / ip6 / udp / big, unreachable6(ip6 / udp / big))
vector("udp6_extensions", there / ip6 / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)]) / udp,
       unreachable6(ip6 / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)]) / udp))
first6 = ip6 / IPv6ExtHdrFragment(m=1, id=9) / UDP(sport=4000, dport=53, len=2000, chksum=1) / Raw(b"x" * 16)
vector("udp6_first_fragment", there / first6, unreachable6(first6))
vector("udp6_later_fragment", there / ip6 / IPv6ExtHdrFragment(offset=10, id=9, nh=17) / Raw(b"x" * 16))
vector("udp6_to_multicast", there / IPv6(src=A6, dst="ff02::fb") / udp)
vector("udp6_from_nobody", there / IPv6(src="::", dst=B6) / udp)
vector("udp6_from_loopback", there / IPv6(src="::1", dst=B6) / udp)

# What has no answer.
vector("icmp4", there / ip4 / ICMP())
vector("icmp4_error", there / ip4 / ICMP(type=3, code=1) / ip4 / udp)
vector("icmp6", there / ip6 / ICMPv6EchoRequest())
vector("arp", there / ARP())
vector("esp", there / IP(src=A4, dst=B4, proto=50) / Raw(b"x" * 40))

print("/* SPDX-License-Identifier: BSD-3-Clause */")
print("/* Made by answer_vectors.py: X(name, link-layer size, packet, answer; \"\": none). */")
for name, question, l2, answer in vectors:
    print(f'X({name}, {l2}, "{question.hex()}", "{answer.hex()}")')
