#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Engines and burst sizes give the same verdicts, over random policies and packets."""
import random

from base import *
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Dot1Q
from scapy.packet import Raw

LAYERS = [
    f"{name}_v{version}"
    for name in ("inbound_ippacket", "outbound_ippacket", "inbound_transport", "outbound_transport",
                 "ipforward", "ingress_vswitch_transport", "egress_vswitch_transport")
    for version in (4, 6)
]  # fmt: skip
FRAME_LAYERS = ["inbound_mac_frame_ethernet", "outbound_mac_frame_ethernet",
                "ingress_vswitch_ethernet", "egress_vswitch_ethernet"]  # fmt: skip
SUBLAYERS = ["system", "antispoof", "firewall", "universal"]


def random_conditions(rng, layer):
    if layer in FRAME_LAYERS:
        choices = [("ether_type", rng.choice([0x800, 0x86DD, 0x806, None])),
                   ("vlan_id", rng.choice([None, 5, 6]))]  # fmt: skip
    else:
        ends = ("source", "destination") if "forward" in layer or "vswitch" in layer else ("local", "remote")
        end = rng.choice(ends)
        base = f"2001:db8:{rng.randrange(1, 3)}::/48" if layer.endswith("6") else rng.choice(
            ["10.0.0.0/8", "198.51.100.0/24", "198.51.100.6/31"])  # fmt: skip
        choices = [(f"ip_{end}_address", base)]
        if "transport" in layer:
            port = f"ip_{end}_port"
            choices += [(port, rng.randrange(8)), (port, None), ("ip_protocol", rng.choice([1, 6, 17, 58]))]
        if "ippacket" in layer:
            choices += [("x_ttl", rng.choice([1, 64]))]
    picked = rng.sample(choices, rng.randrange(1, min(3, len(choices)) + 1))
    return [(field, "equal" if value is None else rng.choice(["equal", "equal", "equal", "not_equal"]), value)
            for field, value in picked]  # fmt: skip


def random_policy(rng):
    filters = []
    for n in range(rng.randrange(40)):
        layer = rng.choice(LAYERS + FRAME_LAYERS)
        action = rng.choice(["permit", "permit", "permit", "block"])
        hard = {"override": "hard"} if action == "permit" and rng.random() < 0.3 else {}
        filters.append(
            filter_of(f"f{n}", layer, action, *random_conditions(rng, layer),
                      sublayer=rng.choice(SUBLAYERS), **hard)
        )  # fmt: skip
    return {"filters": filters}


def random_packet(rng):
    ports = {"sport": rng.randrange(8), "dport": rng.randrange(8)}
    payload = rng.choice([TCP(**ports), UDP(**ports), ICMP(type=rng.choice([0, 3, 8]))]) / (b"x" * 30)
    way = rng.choice([to_inside, to_outside])
    frame = way(payload, ttl=rng.choice([1, 64]))
    kind = rng.randrange(8)
    if kind == 0:
        frame = Ether(src=MAC_IN, dst="ff:ff:ff:ff:ff:ff") / ARP(psrc=rng.choice([HOST_IN, HOST_OUT]))
    elif kind in (1, 2):
        ends = rng.choice([(HOST_IN6, HOST_OUT6), (HOST_OUT6, HOST_IN6)])
        inner = rng.choice([TCP(**ports), UDP(**ports), ICMPv6EchoRequest()])
        frame = Ether(src=MAC_OUT, dst=MAC_IN) / IPv6(src=ends[0], dst=ends[1]) / inner
    elif kind == 3:
        frame = Ether(src=MAC_OUT, dst=MAC_IN) / Dot1Q(vlan=rng.choice([5, 6])) / frame[IP]
    elif kind == 4:
        frame = way(Raw(b"x" * 64), frag=rng.randrange(1, 9), proto=17)
    data = bytearray(bytes(frame))
    if rng.random() < 0.1:
        data[rng.randrange(12, len(data))] ^= 1 << rng.randrange(8)
    if rng.random() < 0.1:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


class Engines(ReplayTest):
    def run_all(self, seed):
        rng = random.Random(seed)
        packets = [random_packet(rng) for _ in range(300)]
        policy = random_policy(rng)
        answers = {}
        for name, args in {
            "check": ["--engine", "check"],
            "compiled": ["--engine", "compiled"],
            "reference": ["--engine", "reference"],
            "default": [],
            "burst": ["--burst", "64"],
        }.items():
            path = self.folder / "in.pcap"
            # Only packets of one millisecond are judged together.
            write_pcap(path, packets, step=5_000)
            answer = self.run_tool(
                "--policy", self.write_policy(policy), "--inside", INSIDE, "--in", path,
                "--verdicts", self.folder / name, *args,
            )  # fmt: skip
            self.assertEqual(answer.code, 0, f"seed {seed}: {answer.stderr}")
            # Lines of fragments stand where their datagram was decided about, which bursts may move.
            answers[name] = "".join(sorted((self.folder / name).read_text().splitlines(True)))
        for name, text in answers.items():
            self.assertEqual(text, answers["compiled"], f"seed {seed}: {name}")
        return answers["compiled"].count('"verdict":"block"')

    def test_same_verdicts(self):
        blocked = [self.run_all(seed) for seed in range(1, 26)]
        # Neither everything nor nothing.
        self.assertGreater(sum(0 < n < 300 for n in blocked), 20, blocked)

    def test_same_answer_twice(self):
        """The clock is the capture's: nothing depends on when the tool runs."""
        rng = random.Random(7)
        policy, packets = random_policy(rng), [random_packet(rng) for _ in range(100)]
        files = ("verdicts", "metadata", "events", "permitted.pcap")
        runs = []
        for _ in range(2):
            self.replay(policy, packets)
            runs.append([(self.folder / name).read_bytes() for name in files])
        self.assertEqual(runs[0], runs[1])


if __name__ == "__main__":
    main()
