# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of sluice-replay share: captures made here, a run, and its answers."""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

# Offline: no look at interfaces, routes or name servers, and no warnings about them.
import logging

logging.getLogger("scapy").setLevel(logging.CRITICAL)

from scapy.layers.inet import ICMP, IP, TCP, UDP  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402

REPLAY = os.environ.get("SLUICE_REPLAY", "build/sluice-replay")
# What a sanitizer finds is not taken for an answer of the tool.
os.environ.setdefault("ASAN_OPTIONS", "exitcode=66")
os.environ.setdefault("UBSAN_OPTIONS", "halt_on_error=1:exitcode=66")

ETHERNET = 1
RAW = 101
SLL = 113
SLL2 = 276

START = 1_767_323_045_000_006_000  # 2026-01-02T03:04:05.000006Z
INSIDE = "10.0.0.0/8,2001:db8:1::/48"

HOST_IN, HOST_OUT = "10.0.0.1", "198.51.100.7"
HOST_IN6, HOST_OUT6 = "2001:db8:1::1", "2001:db8:2::7"
MAC_IN, MAC_OUT = "02:00:00:00:00:01", "02:00:00:00:00:02"


def to_inside(payload, **members):
    """A frame with an IPv4 packet from the outside host."""
    return Ether(src=MAC_OUT, dst=MAC_IN) / IP(src=HOST_OUT, dst=HOST_IN, **members) / payload


def to_outside(payload, **members):
    return Ether(src=MAC_IN, dst=MAC_OUT) / IP(src=HOST_IN, dst=HOST_OUT, **members) / payload


def filter_of(key, layer, action="block", *conditions, **members):
    """A filter; conditions are (field, match, value)."""
    return {
        "key": key,
        "name": key,
        "layer": layer,
        "action": action,
        "conditions": [{"field": f, "match": m, "value": v} for f, m, v in conditions],
        **members,
    }


class Record:
    """One record of a capture: bytes, and how long the packet was on the wire."""

    def __init__(self, data, length=None, time_ns=None):
        self.data = bytes(data)
        self.length = len(self.data) if length is None else length
        self.time_ns = time_ns


def write_pcap(path, packets, linktype=ETHERNET, nano=False, start=START, step=1_000_000):
    """A pcap of packets (scapy's, bytes or Records), one every `step` nanoseconds."""
    unit = 1 if nano else 1000
    out = [struct.pack("<IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 262144, linktype)]
    for i, packet in enumerate(packets):
        record = packet if isinstance(packet, Record) else Record(packet)
        time_ns = start + i * step if record.time_ns is None else record.time_ns
        out.append(
            struct.pack(
                "<IIII", time_ns // 10**9, time_ns % 10**9 // unit, len(record.data), record.length
            )
        )
        out.append(record.data)
    pathlib.Path(path).write_bytes(b"".join(out))


def write_pcapng(path, packets, linktype=ETHERNET, start=START, step=1_000_000):
    """The same as pcapng, with nanoseconds."""

    def block(kind, body):
        size = 12 + len(body)
        return struct.pack("<II", kind, size) + body + struct.pack("<I", size)

    resolution = struct.pack("<HHBxxxHH", 9, 1, 9, 0, 0)
    out = [
        block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
        block(1, struct.pack("<HHI", linktype, 0, 262144) + resolution),
    ]
    for i, packet in enumerate(packets):
        data = bytes(packet)
        time_ns = start + i * step
        padding = b"\0" * (-len(data) % 4)
        out.append(
            block(
                6,
                struct.pack("<IIIII", 0, time_ns >> 32, time_ns & 0xFFFFFFFF, len(data), len(data))
                + data
                + padding,
            )
        )
    pathlib.Path(path).write_bytes(b"".join(out))


def read_pcap(path):
    """(link type, [(time in ns, bytes)]) of a pcap written on a machine like this."""
    data = pathlib.Path(path).read_bytes()
    magic, linktype = struct.unpack_from("<I", data)[0], struct.unpack_from("<I", data, 20)[0]
    unit = 1 if magic == 0xA1B23C4D else 1000
    at, records = 24, []
    while at < len(data):
        seconds, fraction, size, _ = struct.unpack_from("<IIII", data, at)
        records.append((seconds * 10**9 + fraction * unit, data[at + 16 : at + 16 + size]))
        at += 16 + size
    return linktype, records


class Answer:
    """What a run gave."""

    def __init__(self, code, stdout, stderr, folder):
        self.code, self.stdout, self.stderr = code, stdout, stderr
        self.folder = folder

    def lines(self, name):
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    @property
    def verdicts(self):
        return self.lines("verdicts")

    @property
    def metadata(self):
        return self.lines("metadata")

    @property
    def events(self):
        return self.lines("events")

    @property
    def permitted(self):
        return read_pcap(self.folder / "permitted.pcap")

    @property
    def short(self):
        """Per packet "permit", or who blocked: the filter's key or the reason."""
        return [
            v["verdict"] if v["verdict"] == "permit" else v["filter"] or v["reason"]
            for v in self.verdicts
        ]


class ReplayTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self._folder = tempfile.TemporaryDirectory(prefix="sluice-replay-")
        self.folder = pathlib.Path(self._folder.name)
        self.addCleanup(self._folder.cleanup)

    def run_tool(self, *args):
        done = subprocess.run(
            [REPLAY, *map(str, args)], capture_output=True, text=True, timeout=120, check=False
        )
        # Sanitizers and signals are never an answer.
        self.assertIn(done.returncode, (0, 1, 2), done.stderr)
        return Answer(done.returncode, done.stdout, done.stderr, self.folder)

    def write_policy(self, policy):
        path = self.folder / "policy.json"
        path.write_text(json.dumps(policy) if isinstance(policy, dict) else policy)
        return path

    def outputs(self):
        return [
            "--verdicts", self.folder / "verdicts",
            "--metadata", self.folder / "metadata",
            "--events", self.folder / "events",
            "--permitted", self.folder / "permitted.pcap",
        ]  # fmt: skip

    def replay(self, policy, packets, *args, inside=INSIDE, engine="check", **capture):
        """Judges packets by a policy; the run must succeed."""
        path = self.folder / "in.pcap"
        write_pcap(path, packets, **capture)
        answer = self.run_tool(
            "--policy", self.write_policy(policy), "--inside", inside, "--in", path,
            "--engine", engine, *self.outputs(), *args,
        )  # fmt: skip
        self.assertEqual(answer.code, 0, answer.stderr)
        self.assertEqual(answer.stdout, "")
        self.assertEqual(len(answer.verdicts), len(packets))
        return answer

    def judge(self, filters, packets, *args, **capture):
        """The short verdicts of packets under filters."""
        return self.replay({"filters": filters}, packets, *args, **capture).short


def main():
    unittest.main(argv=sys.argv[:1] + [a for a in sys.argv[1:] if a.startswith("-")], verbosity=1)
