# SPDX-License-Identifier: BSD-3-Clause
"""Fragments of IP packets, made with scapy, for the tests that send them and those that replay them."""
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6ExtHdrFragment
from scapy.packet import Raw

UNIT = 8


def piece(header, data, offset, is_last=False, number=1, proto=17, before=()):
    """One fragment of what is behind `header`, IP or IPv6; offset in bytes. `before` are extension headers."""
    more = 0 if is_last else 1
    packet = header.copy()
    if isinstance(header, IP):
        packet.id, packet.frag, packet.flags, packet.proto = number, offset // UNIT, more, proto
        return packet / Raw(data)
    for extension in before:
        packet /= extension
    return packet / IPv6ExtHdrFragment(id=number, offset=offset // UNIT, m=more, nh=proto) / Raw(data)


def cuts(header, whole, at, **members):
    """All fragments of the bytes behind `header`, cut at those places."""
    ends = [*at, len(whole)]
    return [
        piece(header, whole[start:end], start, end == len(whole), **members)
        for start, end in zip([0, *at], ends)
    ]
