#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Fragments as nobody should send them, and what a socket makes of those that arrive.

fragments.py receive ADDRESS PORT            one line a datagram: its length and digest; ends at the one "end"
fragments.py attack INTERFACE MAC PORT BAD   sends every case to fd00::1 and 10.0.0.1; prints the lines that receive
                                             must print, in their order
fragments.py send ADDRESS PORT LENGTH        one datagram, through a socket; prints its line

A case is a list of fragments of a datagram to PORT.  Pieces that overlap have the same sums by 16 bits, so that the
UDP checksum is right whichever of them a host believes.  What is expected: datagrams without overlaps arrive byte
for byte, everything else not at all.  BAD is a port that the policy blocks.
"""
import hashlib
import logging
import pathlib
import socket
import struct
import sys

SIZE = 1600  # of UDP payloads
UNIT = 8


def line_of(data):
    return f"{len(data)} {hashlib.sha256(data).hexdigest()[:16]}"


def receive(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.socket(family, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    server.bind((address, int(port)))
    while True:
        data = server.recv(65535)
        if data == b"end":
            return
        print(line_of(data), flush=True)


def send(address, port, length):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    client = socket.socket(family, socket.SOCK_DGRAM)
    data = (b"sluice fragments" * (int(length) // 16 + 1))[: int(length)]
    if int(length) == 3:
        data = b"end"
    client.sendto(data, (address, int(port)))
    print(line_of(data))


class Family:
    """How one IP version sends a UDP datagram in pieces."""

    def __init__(self, version, mac, own_mac):
        # Only here: a receiver need not wait for scapy.
        logging.getLogger("scapy").setLevel(logging.CRITICAL)
        from scapy.all import IP, UDP, Ether, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, PadN, Raw

        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
        import pieces

        self.version = version
        self.IP, self.IPv6, self.UDP, self.Raw = IP, IPv6, UDP, Raw
        self.pieces = pieces
        self.options = {
            "hop": lambda: IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]),
            "dest": lambda: IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)]),
        }
        self.link = Ether(src=own_mac, dst=mac)

    def header(self, **members):
        if self.version == 4:
            return self.IP(src="10.0.0.2", dst="10.0.0.1", **members)
        return self.IPv6(src="fd00::2", dst="fd00::1", **members)

    def datagram(self, data, port):
        """The UDP datagram's bytes, with a checksum."""
        packet = self.header() / self.UDP(sport=4000, dport=port) / self.Raw(data)
        return bytes(packet)[20 if self.version == 4 else 40 :]

    def piece(self, number, data, offset, is_last, before=()):
        """The frame of a fragment; offset in bytes."""
        before = [self.options[name]() for name in before]
        return bytes(self.link / self.pieces.piece(self.header(), data, offset, is_last, number, before=before))

    def cuts(self, number, whole, at, before=()):
        """The frames of all fragments of a datagram's bytes, cut at those places."""
        before = [self.options[name]() for name in before]
        return [bytes(self.link / packet)
                for packet in self.pieces.cuts(self.header(), whole, at, number=number, before=before)]

    def whole(self, data, port):
        return bytes(self.link / self.header() / self.UDP(sport=4000, dport=port) / self.Raw(data))


def turned(data):
    """Other bytes with the same sums: the words of each unit in reverse."""
    units = [data[at : at + UNIT] for at in range(0, len(data), UNIT)]
    return b"".join(b"".join(reversed([u[at : at + 2] for at in range(0, len(u), 2)])) for u in units)


# A piece from .. to of 1608 bytes, and pieces that stand in Allen's thirteen relations to it.
PIECE = (400, 800)
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


class Attack:
    def __init__(self, interface, mac, port, bad_port):
        self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.wire.bind((interface, 0))
        own_mac = ":".join(f"{byte:02x}" for byte in self.wire.getsockname()[4])
        self.families = [Family(version, mac, own_mac) for version in (4, 6)]
        self.port, self.bad_port = int(port), int(bad_port)
        self.number = 100

    def data(self, size=SIZE):
        """The payload of the next datagram, told apart from that of all others."""
        self.number += 1
        mark = struct.pack(">I", self.number)
        return (mark * (size // 4 + 1))[:size]

    def send(self, frames):
        for frame in frames:
            self.wire.send(frame)

    def expect(self, data):
        print(line_of(data), flush=True)

    def cuts(self, family, whole, at, **members):
        """The frames of all fragments of the next datagram, cut at those places."""
        return family.cuts(self.number, whole, at, **members)

    def allen(self, family, name, is_turned, order):
        data = self.data()
        whole = family.datagram(data, self.port)
        first, middle, last = self.cuts(family, whole, PIECE)
        start, end = ALLEN[name]
        other = whole[start:end]
        other = family.piece(self.number, turned(other) if is_turned else other, start, False)
        self.send({"late": [first, middle, other, last], "early": [first, other, middle, last],
                   "back": [last, other, middle, first]}[order])  # fmt: skip
        if name == "equals" and not is_turned:
            self.expect(data)

    def good(self, family):
        """What is odd, and yet whole."""
        for order in ("forth", "back", "twice"):
            data = self.data()
            frames = self.cuts(family, family.datagram(data, self.port), range(80, 1600, 80))
            frames = {"forth": frames, "back": frames[::-1], "twice": sum(([f, f] for f in frames[:-1]), [])
                      + frames[-1:]}[order]  # fmt: skip
            self.send(frames)
            self.expect(data)
        data = self.data(65507 if family.version == 4 else 65000)
        self.send(self.cuts(family, family.datagram(data, self.port), range(1400, len(data), 1400))[::-1])
        self.expect(data)
        if family.version == 6:
            for before in (["hop"], ["dest"], ["hop", "dest"]):
                data = self.data()
                self.send(self.cuts(family, family.datagram(data, self.port), [800], before=before))
                self.expect(data)
            # An atomic fragment (RFC 6946).
            data = self.data(800)
            self.send(self.cuts(family, family.datagram(data, self.port), []))
            self.expect(data)

    def bad(self, family):
        """What no host should put together."""
        port, number = self.port, self.number
        # Teardrop: the second lies within the first.
        whole = family.datagram(self.data(), port)
        self.send([family.piece(self.number, whole[:800], 0, False), family.piece(self.number, whole[24:28], 24, True)])
        # Two ends.
        whole = family.datagram(self.data(), port)
        self.send([
            family.piece(self.number, whole[800:1200], 800, True),
            family.piece(self.number, whole[800:], 800, True),
            family.piece(self.number, whole[:800], 0, False),
        ])  # fmt: skip
        # Data behind the end.
        whole = family.datagram(self.data(), port)
        self.send([
            family.piece(self.number, whole[800:], 800, True),
            family.piece(self.number, whole[:80], 1608, False),
            family.piece(self.number, whole[:800], 0, False),
        ])  # fmt: skip
        # Beyond 65,535 bytes.
        whole = family.datagram(self.data(), port)
        self.send([
            family.piece(self.number, whole[:1200], 65520, True),
            *self.cuts(family, whole, [800])[:1],
        ])  # fmt: skip
        # The port that is blocked, in front of one that is not, and behind it.
        for ports in ((self.bad_port, port), (port, self.bad_port)):
            data = self.data()
            wholes = [family.datagram(data, p) for p in ports]
            self.send([
                family.piece(self.number, wholes[0][:800], 0, False),
                family.piece(self.number, wholes[1][:800], 0, False),
                family.piece(self.number, wholes[0][800:], 800, True),
            ])  # fmt: skip
        # The port is blocked; the fragment that has it comes last.
        self.send(self.cuts(family, family.datagram(self.data(), self.bad_port), [800, 1200])[::-1])
        assert self.number > number

    def run(self):
        for family in self.families:
            for name in ALLEN:
                for is_turned in (False, True):
                    for order in ("late", "early", "back"):
                        self.allen(family, name, is_turned, order)
            self.good(family)
            self.bad(family)
        for family in self.families:
            self.send([family.whole(b"end", self.port)])


def main():
    verb, *args = sys.argv[1:]
    if verb == "attack":
        Attack(*args).run()
    else:
        {"receive": receive, "send": send}[verb](*args)


main()
