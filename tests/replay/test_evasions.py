#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Fragments as evasions send them: of RFC 1858, 3128, 5722, 6946, 7112, 8200, and whatever else can overlap."""
import json

from base import *

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import pieces  # noqa: E402
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.layers.l2 import Dot1Q
from scapy.packet import Raw

SECOND = 10**9
PORT = 7001

# Somebody asks for whole packets, and blocks one port.
BLOCK = [
    filter_of("no-4", "inbound_transport_v4", "block", ("ip_local_port", "equal", PORT)),
    filter_of("no-6", "inbound_transport_v6", "block", ("ip_local_port", "equal", PORT)),
]


def udp(version, port, size=1600, **members):
    """Bytes of a UDP datagram with a right checksum."""
    ip = (
        IP(src=HOST_OUT, dst=HOST_IN)
        if version == 4
        else IPv6(src=HOST_OUT6, dst=HOST_IN6)
    )
    data = bytes(i * 7 % 251 for i in range(size - 8))
    return bytes(ip / UDP(sport=4000, dport=port, **members) / Raw(data))[20 if version == 4 else 40 :]


def header_of(version, src=None, dst=None, **members):
    if version == 4:
        return IP(src=src or HOST_OUT, dst=dst or HOST_IN, **members)
    return IPv6(src=src or HOST_OUT6, dst=dst or HOST_IN6, **members)


def piece(version, payload, offset, is_last=False, number=1, proto=17, before=(), link=None, **members):
    """The frame of one fragment; offset in bytes."""
    link = Ether(src=MAC_OUT, dst=MAC_IN) if link is None else link
    return link / pieces.piece(header_of(version, **members), payload, offset, is_last, number, proto, before)


def cuts(version, whole, at, number=1, proto=17, before=(), link=None, **members):
    link = Ether(src=MAC_OUT, dst=MAC_IN) if link is None else link
    return [link / packet for packet in pieces.cuts(
        header_of(version, **members), whole, at, number=number, proto=proto, before=before)]  # fmt: skip


class FragmentTest(ReplayTest):
    def by_number(self, answer):
        """What became of each packet, in the order of the capture."""
        return [
            v["verdict"] if v["verdict"] == "permit" else v["filter"] or v["reason"]
            for v in sorted(answer.verdicts, key=lambda v: v["n"])
        ]

    def fate(self, packets, *args, filters=BLOCK, flows=None, **capture):
        if flows is not None:
            path = self.folder / "flows.json"
            path.write_text(json.dumps(flows))
            args = (*args, "--flows", path)
        self.answer = self.replay({"filters": filters}, packets, *args, **capture)
        return self.by_number(self.answer)

    def sent(self):
        return [data for _, data in self.answer.permitted[1]]


class Whole(FragmentTest):
    def test_port_in_first_fragment_blocks_all(self):
        for version in (4, 6):
            for order in (1, -1):
                frames = cuts(version, udp(version, PORT), [400, 800, 1200])[::order]
                with self.subTest(version=version, order=order):
                    self.assertEqual(self.fate(frames), [f"no-{version}"] * 4)
                    self.assertEqual(self.sent(), [])
                    # One event for all of them, with the port.
                    self.assertEqual([e["filter"] for e in self.answer.events], [f"no-{version}"])
                    self.assertEqual(self.answer.events[0]["destination_port"], PORT)

    def test_icmp_type_blocks_all(self):
        filters = [filter_of("no-ping", "inbound_transport_v4", "block", ("icmp_type", "equal", 8))]
        whole = bytes(ICMP(id=1, seq=1) / Raw(b"x" * 4000))
        frames = cuts(4, whole, [1480, 2960], proto=1)
        self.assertEqual(self.fate(frames, filters=filters), ["no-ping"] * 3)

    def test_permitted_leave_as_they_came(self):
        for version in (4, 6):
            frames = cuts(version, udp(version, 53, 60000), range(1200, 60000, 1200))
            frames = frames[1::2] + frames[::2]
            with self.subTest(version=version):
                self.assertEqual(self.fate(frames), ["permit"] * 50)
                self.assertEqual(self.sent(), [bytes(frame) for frame in frames])

    def test_always(self):
        """Overlaps are dropped although no filter asks."""
        frames = cuts(4, udp(4, 53), [400, 800])
        frames.insert(1, piece(4, b"x" * 16, 8))
        flows = {"fragments": {"reassemble": "always"}}
        fate = self.fate(frames, filters=[], flows=flows)
        self.assertEqual(fate, ["frag_overlap"] * 2 + ["frag_ended"] * 2)


# Pieces that stand in Allen's thirteen relations to the one from 400 to 800 of 1,600 bytes.
ALLEN = {
    "before": (160, 240),
    "meets": (240, 400),
    "overlaps": (320, 480),
    "finished_by": (600, 800),
    "contains": (480, 720),
    "starts": (400, 960),
    "equals": (400, 800),
    "started_by": (400, 560),
    "during": (320, 960),
    "finishes": (240, 800),
    "overlapped_by": (720, 960),
    "met_by": (800, 960),
    "after": (960, 1040),
}


class Evasions(FragmentTest):
    def fates(self, groups):
        """What becomes of each group of packets, all in one capture."""
        flows = {"fragments": {"per_source": 4096}}
        fate = self.fate([packet for group in groups for packet in group], flows=flows)
        return [[fate.pop(0) for _ in group] for group in groups]

    def test_allen_beside(self):
        """The two alone: those that are apart wait, the same is a duplicate, everything else ends both."""
        for version in (4, 6):
            whole = udp(version, 53)
            groups, wants = [], []
            for name, (start, end) in ALLEN.items():
                for order in (1, -1):
                    number = len(groups)
                    pair = [
                        piece(version, whole[400:800], 400, number=number),
                        piece(version, whole[start:end], start, number=number),
                    ]
                    groups.append(pair[::order])
                    want = ["frag_overlap"] * 2
                    if end <= 400 or start >= 800:
                        want = ["frag_timeout"] * 2
                    elif name == "equals":
                        want = ["frag_timeout", "frag_duplicate"]
                    wants.append(want)
            self.assertEqual(self.fates(groups), wants)
            self.assertEqual(self.sent(), [])

    def test_allen_in_a_datagram(self):
        """With the rest of the datagram: an exact duplicate costs nothing, anything else the datagram."""
        for version in (4, 6):
            whole = udp(version, 53)
            groups, wants = [], []
            for name, (start, end) in ALLEN.items():
                for change in (0, 1):
                    frames = cuts(version, whole, [400, 800], number=len(groups))
                    data = bytearray(whole[start:end])
                    data[-1] ^= change
                    frames.insert(2, piece(version, bytes(data), start, number=len(groups)))
                    groups.append(frames)
                    # What overlaps only the last fragment waits for it, and ends them all with it.
                    want = ["frag_overlap"] * (4 if start >= 800 else 3) + ["frag_ended"] * (start < 800)
                    if name == "equals" and not change:
                        want = ["permit", "permit", "frag_duplicate", "permit"]
                    wants.append(want)
            self.assertEqual(self.fates(groups), wants)
            self.assertEqual(len(self.sent()), 3)
            # One event for each datagram, one for the duplicate.
            self.assertEqual(len(self.answer.events), len(groups))

    def test_port_is_not_overwritten(self):
        """The blocked port behind a permitted one, and in front of it."""
        for version in (4, 6):
            for first, second in ((53, PORT), (PORT, 53)):
                good, bad = udp(version, first), udp(version, second)
                frames = [
                    piece(version, good[:800], 0),
                    piece(version, bad[:800], 0),
                    piece(version, good[800:], 800, True),
                ]
                with self.subTest(version=version, first=first):
                    self.assertEqual(self.fate(frames), ["frag_overlap"] * 2 + ["frag_ended"])

    def test_teardrop(self):
        whole = udp(4, 53)
        frames = [piece(4, whole[:36 * 8], 0), piece(4, whole[24:28], 24, True)]
        self.assertEqual(self.fate(frames), ["frag_overlap"] * 2)

    def test_two_ends(self):
        for version in (4, 6):
            whole = udp(version, 53)
            for other in (piece(version, whole[1200:], 1200, True), piece(version, whole[960:1200], 960, True)):
                frames = [piece(version, whole[1200:1592], 1200, True), other]
                self.assertEqual(self.fate(frames), ["frag_inconsistent"] * 2)

    def test_behind_the_end(self):
        for version in (4, 6):
            whole = udp(version, 53)
            frames = [piece(version, whole[800:], 800, True), piece(version, b"x" * 8, 1600)]
            for order in (1, -1):
                self.assertEqual(self.fate(frames[::order]), ["frag_inconsistent"] * 2)

    def test_beyond_64_kib(self):
        whole = udp(4, 53)
        self.assertEqual(self.fate([piece(4, whole[:1000], 65520, True)]), ["ip4_bad_fragment"])
        self.assertEqual(self.fate([piece(6, whole[:1000], 65520, True)]), ["ip6_bad_fragment"])
        # Each is short enough, the first one's options are not.
        frames = [
            piece(4, whole[:800], 0, options=b"\1" * 40),
            piece(4, whole[:75], 65440, True),
        ]
        for order in (1, -1):
            self.assertEqual(self.fate(frames[::order]), ["frag_too_long"] * 2)

    def test_tiny_first_fragment(self):
        """A TCP header in two parts, and one that is overwritten behind its eighth byte (RFC 1858, 3128)."""
        tcp = bytes(IP(src=HOST_OUT, dst=HOST_IN) / TCP(dport=80) / Raw(b"x" * 100))[20:]
        frames = cuts(4, tcp, [8, 24], proto=6)
        self.assertEqual(self.fate(frames), ["ip4_tiny_fragment"] * 2 + ["frag_timeout"])
        frames = cuts(6, tcp, [8, 24], proto=6)
        self.assertEqual(self.fate(frames), ["ip6_tiny_fragment"] * 2 + ["frag_timeout"])
        # UDP may be cut there: its ports are known of the whole.
        whole = udp(4, PORT)
        self.assertEqual(self.fate(cuts(4, whole, [8, 800])), ["no-4"] * 3)

    def test_ports_behind_the_first_fragment(self):
        """SCTP, whose ports the first fragment does not hold: the whole has them."""
        filters = [filter_of("no", "inbound_transport_v4", "block", ("ip_protocol", "equal", 132),
                             ("ip_local_port", "equal", PORT))]  # fmt: skip
        sctp = (4000).to_bytes(2, "big") + PORT.to_bytes(2, "big") + bytes(8) + b"x" * 100
        self.assertEqual(self.fate(cuts(4, sctp, [8], proto=132), filters=filters), ["no"] * 2)

    def test_duplicates(self):
        for version in (4, 6):
            frames = cuts(version, udp(version, 53), [400, 800])
            frames = [frames[0], frames[0], frames[1], frames[0], frames[1], frames[2]]
            fate = self.fate(frames)
            self.assertEqual([i for i, f in enumerate(fate) if f == "permit"], [0, 2, 5])
            self.assertEqual(set(fate), {"permit", "frag_duplicate"})

    def test_atomic(self):
        """A fragment that is the whole (RFC 6946) is none: with others of its number it has nothing to do."""
        frames = [
            piece(6, udp(6, 53)[:800], 0),
            piece(6, udp(6, PORT, 100), 0, True),
            piece(6, udp(6, 53, 100), 0, True),
            piece(6, udp(6, 53)[800:], 800, True),
        ]
        self.assertEqual(self.fate(frames), ["permit", "no-6", "permit", "permit"])

    def test_headers_before_the_fragment_header(self):
        def pad():
            return PadN(optdata=b"\0" * 4)

        chains = [
            [IPv6ExtHdrHopByHop(options=[pad()])],
            [IPv6ExtHdrDestOpt(options=[pad()])],
            [IPv6ExtHdrRouting(type=2, segleft=0)],
            [
                IPv6ExtHdrHopByHop(options=[pad()]),
                IPv6ExtHdrRouting(type=2, segleft=0),
                IPv6ExtHdrDestOpt(options=[pad()]),
            ],
        ]
        for chain in chains:
            for port, want in ((PORT, "no-6"), (53, "permit")):
                frames = cuts(6, udp(6, port), [800], before=chain)
                self.assertEqual(self.fate(frames), [want] * 2)
        # Those of the first count; later ones may have others (RFC 8200 4.5).
        frames = [
            *cuts(6, udp(6, PORT), [800], before=chains[3])[:1],
            *cuts(6, udp(6, PORT), [800])[1:],
        ]
        self.assertEqual(self.fate(frames), ["no-6"] * 2)

    def test_headers_behind_the_fragment_header(self):
        options = bytes(IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)], nh=17))
        frames = cuts(6, options + udp(6, PORT), [800], proto=60)
        self.assertEqual(self.fate(frames), ["no-6"] * 2)

    def test_chain_split(self):
        """The first fragment must hold the whole chain (RFC 7112)."""
        options = bytes(IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)], nh=17))
        for at in (8, 16):
            frames = cuts(6, options + udp(6, PORT, 200), [at], proto=60)
            self.assertEqual(self.fate(frames), ["ip6_chain_split", "frag_timeout"])

    def test_nested(self):
        """A fragment of a fragment."""
        inner = bytes(IPv6ExtHdrFragment(id=9, offset=0, m=1, nh=17)) + udp(6, PORT)[:800]
        frames = cuts(6, inner, [400], proto=44)
        self.assertEqual(self.fate(frames), ["ip6_nested_fragment", "frag_timeout"])

    def test_whole_that_is_malformed(self):
        """Only the whole tells that the UDP length is wrong."""
        frames = cuts(4, udp(4, 53, len=1700), [800])
        self.assertEqual(self.fate(frames), ["udp_bad_length"] * 2)
        self.assertEqual(len(self.answer.events), 1)

    def test_key(self):
        """Fragments of different datagrams do not meet."""
        whole = udp(4, 53)
        first = piece(4, whole[:800], 0)
        for other in (
            {"number": 2},
            {"src": "198.51.100.8"},
            {"dst": "10.0.0.2"},
            {"proto": 200},
            {"link": Ether(src=MAC_OUT, dst=MAC_IN) / Dot1Q(vlan=5)},
        ):
            last = piece(4, whole[800:], 800, True, **other)
            self.assertEqual(self.fate([first, last]), ["frag_timeout"] * 2)
        last = piece(4, whole[800:], 800, True, link=Ether(src="02:00:00:00:00:99", dst=MAC_IN))
        self.assertEqual(self.fate([first, last]), ["permit"] * 2)


class Limits(FragmentTest):
    def at(self, packets):
        """Records at (second, packet)."""
        return [Record(packet, time_ns=START + int(second * SECOND)) for second, packet in packets]

    def test_time(self):
        """By the capture's clock, from the first fragment on."""
        frames = cuts(4, udp(4, 53), [400, 800])
        packets = [(0, frames[0]), (29, frames[1]), (29.9, frames[2])]
        self.assertEqual(self.fate(self.at(packets)), ["permit"] * 3)
        packets = [(0, frames[0]), (29, frames[1]), (30, frames[2])]
        self.assertEqual(self.fate(self.at(packets)), ["frag_timeout"] * 3)
        self.assertEqual([e["reason"] for e in self.answer.events], ["frag_timeout"] * 2)
        flows = {"fragments": {"timeout": 1.5}}
        packets = [(0, frames[0]), (1.4, frames[1]), (1.6, frames[2]), (1.7, frames[0]), (1.8, frames[1])]
        fate = self.fate(self.at(packets), flows=flows)
        self.assertEqual(fate, ["frag_timeout"] * 2 + ["permit"] * 3)

    def test_ended_lasts_as_long(self):
        frames = cuts(4, udp(4, 53), [400, 800])
        packets = [
            (0, frames[0]),
            (1, piece(4, b"x" * 400, 200)),
            (29.9, frames[1]),
            (30, frames[0]),
            (30, frames[1]),
            (30, frames[2]),
        ]
        want = ["frag_overlap"] * 2 + ["frag_ended"] + ["permit"] * 3
        self.assertEqual(self.fate(self.at(packets)), want)

    def test_table_full(self):
        """The oldest gives way; what is left of it is dropped by name."""
        whole = udp(4, 53)
        pairs = [cuts(4, whole, [800], src=f"198.51.100.{10 + i}") for i in range(4)]
        frames = [pair[0] for pair in pairs] + [pair[1] for pair in pairs[1:]]
        flows = {"fragments": {"datagrams": 3}}
        self.assertEqual(self.fate(frames, flows=flows), ["frag_evicted"] + ["permit"] * 6)

    def test_source_has_its_share(self):
        whole = udp(4, 53)
        other = cuts(4, whole, [800], src="198.51.100.99")
        pairs = [cuts(4, whole, [800], number=i) for i in range(4)]
        frames = [other[0], *[pair[0] for pair in pairs], pairs[0][1], pairs[3][1], other[1]]
        flows = {"fragments": {"per_source": 3}}
        want = ["permit", "frag_evicted", "frag_timeout", "frag_timeout", "permit", "frag_ended", "permit", "permit"]
        self.assertEqual(self.fate(frames, flows=flows), want)

    def test_fragments_held(self):
        """A datagram that alone has more fragments than there is room for cannot become whole."""
        frames = cuts(4, udp(4, 53), range(80, 1600, 80))
        flows = {"fragments": {"held": 8}}
        fate = self.fate(frames, flows=flows)
        self.assertEqual(fate, ["frag_table_full"] * 9 + ["frag_ended"] * 11)


if __name__ == "__main__":
    main()
