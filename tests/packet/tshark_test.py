#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The parser beside tshark, on packets made here with scapy.

usage: tshark_test.py REPLAY

REPLAY is sluice-replay. tshark makes the rows of a truth as truth.py knows them, so one comparison serves
both. $SLUICE_SEED repeats a run. Exit status 77 when tshark or scapy is not installed.
"""
import logging
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import truth

# Offline: no look at interfaces, routes or name servers, and no warnings about them.
logging.getLogger("scapy").setLevel(logging.CRITICAL)

SKIPPED = 77
PACKETS = 600

# Columns of the truth and the tshark fields that hold them; IPv4's and IPv6's are never both in the
# outermost header.
FIELDS = [
    "frame.protocols", "vlan.id", "ieee8021ad.id", "ip.src", "ip.dst", "ip.proto", "ip.ttl", "ip.hdr_len", "ip.len",
    "ip.id", "ip.flags.mf", "ip.frag_offset", "ip.checksum.status", "ipv6.src", "ipv6.dst", "ipv6.nxt", "ipv6.hlim",
    "ipv6.plen", "ipv6.fraghdr.ident", "ipv6.fraghdr.more", "ipv6.fraghdr.offset", "ipv6.fraghdr.nxt", "tcp.srcport", "tcp.dstport",
    "tcp.flags", "tcp.len", "udp.srcport", "udp.dstport", "sctp.srcport", "sctp.dstport", "icmp.type", "icmp.code",
    "icmpv6.type", "icmpv6.code", "_ws.malformed",
]  # fmt: skip

EXTENSION_NAMES = {
    "ipv6.hopopts": "HBH", "ipv6.routing": "RH", "ipv6.fraghdr": "FH", "ipv6.dstopts": "DO", "ah": "AH",
}  # fmt: skip

# Where a packet's own headers end: what follows is in a tunnel or in an ICMP error.
PROTOCOLS = {"tcp": "6", "udp": "17", "sctp": "132", "icmp": "1", "icmpv6": "58"}


def tshark(capture):
    """One dictionary a packet: field name to the list of its values, outermost first."""
    command = ["tshark", "-n", "-r", capture, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=;"]
    for preference in ("ip.defragment:FALSE", "ipv6.defragment:FALSE", "ip.check_checksum:TRUE"):
        command += ["-o", preference]
    for field in FIELDS:
        command += ["-e", field]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    for line in run.stdout.splitlines():
        values = [text.split(";") if text else [] for text in line.split("\t")]
        yield dict(zip(FIELDS, values))


class Seen:
    """The values of one packet, asked for by protocol."""

    def __init__(self, fields):
        self.fields = fields
        self.layers = [name for name in fields["frame.protocols"][0].split(":") if name != "ethertype"]

    def value(self, field, i=0):
        values = self.fields[field]
        return values[i] if i < len(values) else ""

    def own_layers(self):
        """From the outermost IP header to the transport header, both included."""
        layers = []
        for name in self.layers:
            if name in ("ip", "ipv6") and layers:
                break
            if layers or name in ("ip", "ipv6"):
                layers.append(name)
            if name in PROTOCOLS:
                break
        return layers


def put_ip4(row, seen):
    row.update(ver="4", src=seen.value("ip.src"), dst=seen.value("ip.dst"), proto=seen.value("ip.proto"))
    row.update(ttl=seen.value("ip.ttl"), hlen=seen.value("ip.hdr_len"), iplen=seen.value("ip.len"))
    row.update(id=seen.value("ip.id"), mf=seen.value("ip.flags.mf"))
    row["fragoff"] = str(8 * int(seen.value("ip.frag_offset")))
    row["ip_ck"] = "bad" if seen.value("ip.checksum.status") == "0" else "good"


def put_ip6(row, seen, own):
    chain = [EXTENSION_NAMES[name] for name in own if name in EXTENSION_NAMES]
    row.update(ver="6", src=seen.value("ipv6.src"), dst=seen.value("ipv6.dst"), ttl=seen.value("ipv6.hlim"))
    row.update(iplen=seen.value("ipv6.plen"), hlen="40", ext="+".join(chain))
    # Every header's next header is a field of its own; the last one's is told by what was dissected.
    row["proto"] = PROTOCOLS.get(own[-1], seen.value("ipv6.fraghdr.nxt"))
    if "FH" in chain:
        row.update(id=seen.value("ipv6.fraghdr.ident"), mf=seen.value("ipv6.fraghdr.more"))
        row["fragoff"] = str(8 * int(seen.value("ipv6.fraghdr.offset")))


def row_of(number, fields):
    """A row as truth.py reads it."""
    seen = Seen(fields)
    row = {name: "" for name in COLUMNS}
    own = seen.own_layers()
    row.update(no=str(number), layers=":".join(seen.layers), malformed="1" if fields["_ws.malformed"] else "")
    row["vlans"] = ",".join(fields["ieee8021ad.id"] + fields["vlan.id"])
    if own[:1] == ["ip"]:
        put_ip4(row, seen)
    elif own[:1] == ["ipv6"]:
        put_ip6(row, seen, own)
    if own and own[-1] in ("tcp", "udp", "sctp"):
        row.update(sport=seen.value(own[-1] + ".srcport"), dport=seen.value(own[-1] + ".dstport"))
    if own and own[-1] == "tcp":
        row.update(tcp_flags=seen.value("tcp.flags"), tcp_paylen=seen.value("tcp.len"))
    if own and own[-1] in ("icmp", "icmpv6"):
        row.update(icmp_type=seen.value(own[-1] + ".type"), icmp_code=seen.value(own[-1] + ".code"))
    return row


COLUMNS = (
    "no layers vlans ver src dst proto ttl hlen iplen id mf fragoff ext sport dport icmp_type icmp_code tcp_flags "
    "tcp_paylen ip_ck emb_src emb_dst emb_proto emb_sport emb_dport malformed"
).split()


def make_packets(rng):
    """Frames of every layout the parser takes, their values at random."""
    from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, IPOption_Router_Alert, IPOption_RR
    from scapy.layers.inet6 import (
        ICMPv6EchoRequest, ICMPv6ND_NS, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
        IPv6ExtHdrSegmentRouting, PadN,
    )  # fmt: skip
    from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
    from scapy.layers.sctp import SCTP, SCTPChunkInit
    from scapy.packet import Raw

    def port():
        # Ports that no dissector of tshark's takes for its own, so that payload stays payload.
        return rng.randrange(20000, 30000)

    def payload():
        return Raw(rng.randbytes(rng.choice([0, 1, 8, 60, 1000])))

    def link():
        frame = Ether(src="02:00:00:00:00:01", dst=rng.choice(["02:00:00:00:00:02", "ff:ff:ff:ff:ff:ff"]))
        for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
            frame = frame / Dot1Q(vlan=rng.randrange(4096), prio=rng.randrange(8))
        return frame

    def ip4():
        options = rng.choice([[], [], [IPOption_Router_Alert()], [IPOption_NOP(), IPOption_RR(routers=["0.0.0.0"] * 3)]])
        return IP(src=rng.choice(["192.0.2.1", "0.0.0.0"]), dst=rng.choice(["198.51.100.2", "224.0.0.5"]),
                  id=rng.randrange(65536), ttl=rng.randrange(1, 256), tos=rng.randrange(256), flags=rng.choice(["", "DF"]),
                  options=options)  # fmt: skip

    def ip6():
        header = IPv6(src="2001:db8::1", dst="ff02::1", hlim=rng.randrange(256), tc=rng.randrange(256))
        for extension in rng.sample([IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt, IPv6ExtHdrSegmentRouting], rng.randrange(4)):
            if extension is IPv6ExtHdrHopByHop and header.payload:
                continue
            if extension is IPv6ExtHdrSegmentRouting:
                header = header / extension(addresses=["2001:db8::9"])
            else:
                header = header / extension(options=[PadN(optdata=b"\0" * rng.randrange(20))])
        return header

    def transport():
        return rng.choice([
            lambda: UDP(sport=port(), dport=port()),
            lambda: TCP(sport=port(), dport=port(), flags=rng.randrange(256)),
            lambda: TCP(sport=port(), dport=port(), flags="S", options=[("MSS", 1460), ("Timestamp", (1, 0))]),
            lambda: SCTP(sport=port(), dport=port()) / SCTPChunkInit(),
        ])()  # fmt: skip

    def fragments():
        data = bytes(UDP(sport=port(), dport=port(), len=4008) / Raw(b"\0" * 4000))
        offset, size, more = rng.choice([(0, 1480, 1), (1480, 1480, 1), (2960, 1048, 0)])
        if rng.random() < 0.5:
            return IP(src="192.0.2.1", dst="198.51.100.2", proto=17, id=rng.randrange(65536), frag=offset // 8,
                      flags="MF" if more else "") / Raw(data[offset:offset + size])  # fmt: skip
        return IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrFragment(
            nh=17, offset=offset // 8, m=more, id=rng.randrange(1 << 32)) / Raw(data[offset:offset + size])  # fmt: skip

    kinds = [
        lambda: link() / ip4() / transport() / payload(),
        lambda: link() / ip4() / transport() / payload(),
        lambda: link() / ip6() / transport() / payload(),
        lambda: link() / ip6() / transport() / payload(),
        lambda: link() / ip4() / ICMP(type=8, id=rng.randrange(65536)) / payload(),
        lambda: link() / ip6() / ICMPv6EchoRequest(id=rng.randrange(65536)) / payload(),
        lambda: link() / IPv6(src="fe80::1", dst="ff02::1:ff00:2", hlim=255) / ICMPv6ND_NS(tgt="fe80::2"),
        lambda: link() / fragments(),
        lambda: link() / ARP(psrc="192.0.2.1", pdst="192.0.2.2"),
        lambda: Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / Dot1AD(vlan=7) / Dot1Q(vlan=8) / ip4()
        / transport(),
        lambda: link() / ip4() / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=port(), dport=port()),
        lambda: link() / IP(chksum=0x1234) / UDP(sport=port(), dport=port()) / payload(),
    ]  # fmt: skip
    return [rng.choice(kinds)() for _ in range(PACKETS)]


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    try:
        from scapy.utils import wrpcap
    except ImportError:
        print("scapy is not installed: skipped")
        return SKIPPED
    if shutil.which("tshark") is None:
        print("tshark is not installed: skipped")
        return SKIPPED
    seed = int(os.environ.get("SLUICE_SEED") or random.randrange(1 << 32))
    report = truth.Report()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        capture = folder / "made.pcap"
        wrpcap(str(capture), make_packets(random.Random(seed)))
        lines = truth.replay(sys.argv[1], capture, folder)
        rows = [row_of(number, fields) for number, fields in enumerate(tshark(capture), 1)]
    assert len(rows) == len(lines) == PACKETS, (len(rows), len(lines))
    for row, line in zip(rows, lines):
        report.compare(f"seed {seed}, packet {row['no']}", row, line)
    return report.print()


if __name__ == "__main__":
    sys.exit(main())
