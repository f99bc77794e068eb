# SPDX-License-Identifier: BSD-3-Clause
"""Packets and what is true of them: made here, or captures with what an independent dissector said.

Facts are those of oracle.py, and `raw`, the frame.  Those of packets made here are what the packet was made
from, never what a look at its bytes would give.
"""
import ipaddress
import logging
import os
import pathlib
import struct

logging.getLogger("scapy").setLevel(logging.CRITICAL)

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror  # noqa: E402
from scapy.layers.inet6 import (  # noqa: E402
    ICMPv6DestUnreach, ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop, PadN,
)  # fmt: skip
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether  # noqa: E402
from scapy.packet import Raw  # noqa: E402

ETHERNET, RAW_IP, SLL, SLL2 = 1, 101, 113, 276
TPIDS = (0x8100, 0x88A8, 0x9100, 0x9200, 0x9300)


# --- Packets made here. ---


class Maker:
    """Random well-formed frames of few hosts, so that conditions meet them."""

    def __init__(self, random):
        self.random = random
        self.n = 0
        self.datagrams = 0

    def host(self, version):
        choices = {
            4: ("10.0.0.1", "10.0.0.2", "10.0.3.4", "198.51.100.7", "203.0.113.9", "255.255.255.255", "224.0.0.5"),
            6: ("2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::7", "fe80::1", "ff02::1"),
        }[version]  # fmt: skip
        return ipaddress.ip_address(self.random.choice(choices))

    def unicast(self, version):
        while True:
            host = self.host(version)
            if not host.is_multicast and int(host) != 0xFFFFFFFF:
                return host

    def port(self):
        return self.random.choice((22, 23, 53, 80, 443, 1024, 49152, 65535))

    def transport(self, version):
        """(layer, facts) of what IP carries."""
        kind = self.random.choice(("tcp", "tcp", "udp", "udp", "icmp", "error", "other"))
        payload = Raw(bytes(self.random.randint(0, 40)))
        ports = {"source_port": self.port(), "destination_port": self.port()}
        pair = {"sport": ports["source_port"], "dport": ports["destination_port"]}
        if kind == "tcp":
            flags = self.random.choice((2, 16, 18, 24, 4, 17, 0xC2))
            return TCP(flags=flags, **pair) / payload, {"protocol": 6, "tcp_flags": flags, **ports}
        if kind == "udp":
            return UDP(**pair) / payload, {"protocol": 17, **ports}
        if kind == "other":
            protocol = self.random.choice((47, 50, 89, 253))
            return Raw(bytes(24)), {"protocol": protocol}
        if kind == "icmp" and version == 4:
            return ICMP(type=8, code=0) / payload, {"protocol": 1, "icmp_type": 8, "icmp_code": 0}
        if kind == "icmp":
            return ICMPv6EchoRequest() / payload, {"protocol": 58, "icmp_type": 128, "icmp_code": 0}
        code = self.random.choice((0, 1, 3))
        if version == 4:
            inner = IPerror(src=str(self.unicast(4)), dst=str(self.unicast(4)), proto=17)
            error = ICMP(type=3, code=code) / inner / UDPerror(**pair)
            return error, {"protocol": 1, "icmp_type": 3, "icmp_code": code, "embedded": True}
        inner = IPv6(src=str(self.unicast(6)), dst=str(self.unicast(6)), nh=17) / UDP(**pair)
        error = ICMPv6DestUnreach(code=code) / Raw(bytes(inner))
        return error, {"protocol": 58, "icmp_type": 1, "icmp_code": code, "embedded": True}

    def later(self, facts):
        """What a later fragment still tells of the packet that was cut."""
        return {"protocol": facts["protocol"], "fragment": True}

    def name(self, facts, offset, body, more):
        """Makes it a piece of a datagram of its own; returns the identification."""
        self.datagrams += 1
        piece = {"datagram": self.datagrams, "offset": 8 * offset, "size": len(body), "more": more}
        facts.update(piece=piece, whole=None)
        return self.datagrams

    def ip4(self):
        body, facts = self.transport(4)
        ttl, tos = self.random.choice((1, 63, 64, 128)), self.random.randrange(0, 256, 4)
        source, destination = self.unicast(4), self.host(4)
        ip = IP(src=str(source), dst=str(destination), ttl=ttl, tos=tos, proto=facts["protocol"])
        if self.random.random() < 0.1:
            ip.frag = self.random.randint(3, 100)
            body, facts = Raw(bytes(32)), self.later(facts)
            ip.id = self.name(facts, ip.frag, body, False)
        elif self.random.random() < 0.07:
            ip.flags = "MF"
            body, facts = self.cut(body, 20), {**facts, "fragment": True}
            ip.id = self.name(facts, 0, body, True)
        packet = ip / body
        return packet, {
            "version": 4, "source": source, "destination": destination, "ttl": ttl, "dscp": tos >> 2,
            "length": len(packet), **facts,
        }  # fmt: skip

    def ip6(self):
        body, facts = self.transport(6)
        hop, traffic_class = self.random.choice((1, 64, 255)), self.random.randrange(0, 256, 4)
        source, destination = self.unicast(6), self.host(6)
        packet = IPv6(src=str(source), dst=str(destination), hlim=hop, tc=traffic_class)
        chain = []
        if self.random.random() < 0.2:
            chain.append(IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))]))
        if self.random.random() < 0.2:
            chain.append(IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))]))
        pick = self.random.random()
        if pick < 0.1:
            chain.append(IPv6ExtHdrFragment(offset=self.random.randint(3, 100), m=0, nh=facts["protocol"]))
            body, facts = Raw(bytes(32)), self.later(facts)
            chain[-1].id = self.name(facts, chain[-1].offset, body, False)
        elif pick < 0.17:
            chain.append(IPv6ExtHdrFragment(m=1))
            # Checksums are of the whole packet; nobody looks at them.
            body, facts = self.cut(body, 8), {**facts, "fragment": True}
            chain[-1].id = self.name(facts, 0, body, True)
        for header in chain:
            packet /= header
        if isinstance(body, Raw):
            packet.lastlayer().nh = facts["protocol"]
        packet /= body
        return packet, {
            "version": 6, "source": source, "destination": destination, "ttl": hop,
            "dscp": traffic_class >> 2, "length": len(packet), **facts,
        }  # fmt: skip

    def cut(self, body, least):
        """Fills a first fragment up to a multiple of eight bytes."""
        size = max(least, len(body))
        return body / Raw(bytes(size - len(body) + -size % 8))

    def macs(self):
        """(source, destination, tags) of a frame."""
        macs = [bytes.fromhex("02000000000" + c) for c in "1234"]
        source, destination = self.random.choice(macs), self.random.choice(macs + [b"\xff" * 6, b"\1\0\x5e\0\0\5"])
        tags = [self.random.choice((5, 100, 100, 0x6064, 4095)) for _ in range(self.random.choice((0, 0, 0, 1, 1, 2)))]
        return source, destination, tags

    def dress(self, link, packet, facts):
        """A packet in a frame, with all of its facts."""
        source, destination, tags = link
        frame = Ether(src=source.hex(":"), dst=destination.hex(":"))
        for i, tci in enumerate(tags):
            tag = Dot1AD if len(tags) > i + 1 else Dot1Q
            frame /= tag(prio=tci >> 13, id=tci >> 12 & 1, vlan=tci & 0xFFF)
        frame.lastlayer().type = facts["ether_type"]
        self.n += 1
        raw = bytes(frame / packet)
        return {
            "n": self.n, "ethernet": True, "mac_source": source, "mac_destination": destination,
            "tags": tags, "raw": raw + bytes(max(0, 60 - len(raw))), **facts,
        }  # fmt: skip

    def frame(self):
        kind = self.random.choice(("ip4", "ip4", "ip4", "ip6", "ip6", "arp", "other"))
        if kind == "ip4":
            packet, facts = self.ip4()
            facts["ether_type"] = 0x0800
        elif kind == "ip6":
            packet, facts = self.ip6()
            facts["ether_type"] = 0x86DD
        elif kind == "arp":
            sender = self.unicast(4)
            packet, facts = ARP(psrc=str(sender), pdst="10.0.0.1"), {"ether_type": 0x0806, "arp_sender": sender}
        else:
            packet, facts = Raw(bytes(46)), {"ether_type": self.random.choice((0x88CC, 0x8847, 0x9000))}
        return self.dress(self.macs(), packet, facts)

    def datagram(self):
        """The fragments of one datagram: shuffled, one missing, one twice, or cut in two ways."""
        version = self.random.choice((4, 4, 6))
        body, carried = self.transport(version)
        source, destination = self.unicast(version), self.host(version)
        ends = {"src": str(source), "dst": str(destination)}
        # A TCP header, or more, of its own in each first fragment.
        data = bytes(body / Raw(bytes(self.random.randrange(80, 300))))
        facts = {"version": version, "source": source, "destination": destination, "ttl": 64, "dscp": 0}
        facts["ether_type"] = 0x0800 if version == 4 else 0x86DD
        link = self.macs()
        whole = self.dress(link, Raw(data), {**facts, **carried, "length": len(data) + (20 if version == 4 else 40)})
        self.n -= 1
        self.datagrams += 1
        cuts = [self.random.randrange(24, 80, 8)] * 2
        if self.random.random() < 0.15:
            cuts[1] += 8
        pieces = [(at, min(size, len(data) - at)) for size in sorted(set(cuts)) for at in range(0, len(data), size)]
        self.random.shuffle(pieces)
        if self.random.random() < 0.2:
            pieces.pop()
        if self.random.random() < 0.2 and pieces:
            pieces.append(self.random.choice(pieces))
        return [self.fragment(link, ends, facts, carried, whole, data, *piece) for piece in pieces]

    def fragment(self, link, ends, facts, carried, whole, data, at, size):
        more = at + size < len(data)
        payload = Raw(data[at : at + size])
        if facts["version"] == 4:
            packet = IP(**ends, ttl=64, proto=carried["protocol"], id=self.datagrams, frag=at // 8,
                        flags="MF" if more else 0) / payload  # fmt: skip
        else:
            packet = IPv6(**ends, hlim=64) / IPv6ExtHdrFragment(
                nh=carried["protocol"], id=self.datagrams, offset=at // 8, m=more) / payload  # fmt: skip
        mine = {**carried, "fragment": True} if at == 0 else self.later(carried)
        piece = {"datagram": self.datagrams, "offset": at, "size": size, "more": more}
        return self.dress(link, packet, {**facts, **mine, "length": len(packet), "piece": piece, "whole": whole})

    def traffic(self, n):
        """Packets, and fragments among each other and between them, numbered as they come."""
        waiting, frames = [], []
        while len(frames) < n:
            pick = self.random.random()
            if pick < 0.08:
                fragments = self.datagram()
                if fragments:
                    waiting.append(fragments)
            elif pick < 0.4 and waiting:
                fragments = self.random.choice(waiting)
                frames.append(fragments.pop(0))
                waiting = [fragments for fragments in waiting if fragments]
            else:
                frames.append(self.frame())
        for i, frame in enumerate(frames):
            frame["n"] = i + 1
        return frames


# --- Captures. ---


def captures():
    """Names of the captures in $SLUICE_CAPTURES; none when it is not set."""
    folder = os.environ.get("SLUICE_CAPTURES")
    if not folder:
        return []
    rows = (pathlib.Path(folder) / "INDEX.tsv").read_text().splitlines()[1:]
    return [row.split("\t")[0] for row in rows]


def capture_path(name):
    return pathlib.Path(os.environ["SLUICE_CAPTURES"]) / "files" / name


def read_pcap(path):
    """(link type, [(time in microseconds, length on the wire, bytes)])."""
    data = pathlib.Path(path).read_bytes()
    at, records = 24, []
    while at + 16 <= len(data):
        seconds, fraction, size, length = struct.unpack_from("<IIII", data, at)
        records.append((seconds * 10**6 + fraction, length, data[at + 16 : at + 16 + size]))
        at += 16 + size
    return struct.unpack_from("<I", data, 20)[0], records


def write_pcap(path, frames, linktype=ETHERNET):
    """Frames as bytes, one a millisecond, or records as read_pcap gives them."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, linktype)]
    for i, frame in enumerate(frames):
        time_us, length, data = frame if isinstance(frame, tuple) else (10**15 + 1000 * i, len(frame), frame)
        out.append(struct.pack("<IIII", time_us // 10**6, time_us % 10**6, len(data), length) + data)
    pathlib.Path(path).write_bytes(b"".join(out))


def _link(linktype, frame):
    """Facts of the link layer, and where the network layer begins."""
    facts = {"ethernet": linktype == ETHERNET, "mac_source": None, "mac_destination": None, "tags": []}
    if linktype == RAW_IP:
        return {**facts, "ether_type": 0x0800 if frame[0] >> 4 == 4 else 0x86DD}, 0
    if linktype == SLL2:
        return {**facts, "ether_type": struct.unpack_from(">H", frame)[0]}, 20
    if linktype == ETHERNET:
        facts.update(mac_destination=frame[:6], mac_source=frame[6:12])
    at = 12 if linktype == ETHERNET else 14
    ether_type = struct.unpack_from(">H", frame, at)[0]
    at += 2
    while ether_type in TPIDS and at + 4 <= len(frame):
        tci, ether_type = struct.unpack_from(">HH", frame, at)
        facts["tags"].append(tci)
        at += 4
    if ether_type < 1536:
        is_snap = frame[at : at + 6] == b"\xaa\xaa\3\0\0\0"
        if not is_snap:
            return facts, at
        ether_type, at = struct.unpack_from(">H", frame, at + 6)[0], at + 8
    return {**facts, "ether_type": ether_type}, at


def _network(row, packet):
    """Facts of the IP header and what follows, of one row of the dissector."""
    version, fragment_offset = int(row["ver"]), row["fragoff"]
    number = {name: int(row[name], 0) for name in row if row[name] and row[name][0].isdigit() and name in NUMBERS}
    word = packet[1] if version == 4 else (packet[0] & 15) << 4 | packet[1] >> 4
    length = number["iplen"] + (0 if version == 4 else 40)
    if version == 6 and number["iplen"] == 0:
        length = struct.unpack_from(">I", packet, 44)[0] + 40  # the jumbo option's
    destination = ipaddress.ip_address(row["dst"])
    if version == 4 and len(packet) > 20 and packet[0] & 15 > 5:
        # With a source route the dissector tells the last hop, not what the header says.
        destination = ipaddress.ip_address(packet[16:20])
    facts = {
        "version": version, "source": ipaddress.ip_address(row["src"]), "destination": destination,
        "protocol": number["proto"], "ttl": number["ttl"], "length": length, "dscp": word >> 2,
        "fragment": fragment_offset != "" and (row["mf"] == "1" or fragment_offset != "0"),
    }  # fmt: skip
    for fact, column in COLUMNS:
        if column in number:
            facts[fact] = number[column]
    if row["emb_proto"]:
        facts["embedded"] = True
    return facts


COLUMNS = (
    ("source_port", "sport"), ("destination_port", "dport"), ("icmp_type", "icmp_type"),
    ("icmp_code", "icmp_code"), ("tcp_flags", "tcp_flags"),
)  # fmt: skip
NUMBERS = {"iplen", "proto", "ttl"} | {column for _, column in COLUMNS}


def of_capture(name):
    """(link type, facts of every packet); None for link types that are not read."""
    linktype, records = read_pcap(capture_path(name))
    if linktype not in (ETHERNET, RAW_IP, SLL, SLL2):
        return linktype, None
    lines = (capture_path("..") / "truth" / (name.rsplit(".", 1)[0] + ".pkts.tsv")).read_text().split("\n")
    head = lines[0].split("\t")
    packets = []
    for line, (time_us, length, frame) in zip(filter(None, lines[1:]), records):
        row = dict(zip(head, line.split("\t") + [""] * len(head)))
        facts, at = _link(linktype, frame)
        facts.update(n=int(row["no"]), raw=frame, record=(time_us, length, frame))
        ether_type = facts.get("ether_type")
        if ether_type == 0x0806 and frame[at + 4 : at + 6] == b"\6\4":
            facts["arp_sender"] = ipaddress.ip_address(frame[at + 14 : at + 18])
        if ether_type in (0x0800, 0x86DD) and row["ver"] and row["src"] and row["dst"] and row["proto"]:
            facts.update(_network(row, frame[at:]))
        packets.append(facts)
    return linktype, packets
