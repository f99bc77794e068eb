#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The daemon on captures as ports: what it sends, counts and tells is what the oracle says.

    test_live.py BUILD [ROUNDS]

Needs no rights and no interface. $SLUICE_SEED repeats a run.
"""
import collections
import ipaddress
import os
import pathlib
import random
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "api")]

import facts  # noqa: E402
import oracle  # noqa: E402
import random_policy  # noqa: E402
from daemon import Daemon  # noqa: E402

INSIDE = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8:1::/48")]
WAIT_S = 20


def judge(document, packets):
    """Per direction what is sent, and what blocked how often."""
    policy = oracle.Policy(document, {"count"})
    sent, blocks = {"inbound": [], "outbound": []}, collections.Counter()
    for packet in packets:
        direction, verdict, layer, _, key, reason = policy.judge(packet, INSIDE)
        if verdict == "permit":
            sent[direction].append(packet["raw"])
        else:
            blocks[direction, layer, key, reason] += 1
    return sent, blocks


def wait_for(daemon, n):
    """The statistics once `n` packets have arrived."""
    deadline = time.monotonic() + WAIT_S
    while True:
        stats = daemon.call("GET", "/v1/stats").json
        arrived = sum(way["rx_packets"] for way in stats["links"]["wan"].values())
        if arrived >= n or time.monotonic() > deadline:
            return stats
        time.sleep(0.02)


def check_counters(stats, sent, blocks, n):
    ways = stats["links"]["wan"]
    for direction, frames in sent.items():
        assert ways[direction]["tx_packets"] == len(frames), (direction, ways, len(frames))
        assert ways[direction]["tx_bytes"] == sum(map(len, frames)), (direction, ways)
    assert sum(way["rx_packets"] - way["tx_packets"] - way["dropped"] for way in ways.values()) == 0, ways
    assert sum(way["rx_packets"] for way in ways.values()) == n, ways
    reasons = collections.Counter()
    for (_, _, _, reason), count in blocks.items():
        reasons[reason] += count
    assert {k: v for k, v in stats["drops"].items() if v} == dict(reasons), (stats["drops"], reasons)


def check_filters(daemon, blocks):
    hits = collections.Counter()
    for (_, _, key, _), count in blocks.items():
        hits[key] += count
    for item in daemon.call("GET", "/v1/filters?stats=1&limit=1000").json["items"]:
        assert item["stats"]["packets"] >= hits[item["key"]], (item["key"], item["stats"], hits)
        single = daemon.call("GET", f"/v1/filters/{item['key']}/stats").json
        assert single == item["stats"], (single, item)


def check_events(daemon, blocks):
    answer = daemon.call("GET", "/v1/events?limit=1000&since=0").json
    names = ("direction", "layer", "filter", "reason")
    told = collections.Counter(tuple(event[name] for name in names) for event in answer["items"])
    assert answer["lost"] == 0 and told == blocks, (told - blocks, blocks - told, answer["lost"])


def try_once(build, folder, generator):
    maker = facts.Maker(generator)
    packets = [maker.frame() for _ in range(300)]
    document = random_policy.Generator(generator, packets, INSIDE).document(8)
    sent, blocks = judge(document, packets)
    for side, is_inside in (("inside", True), ("outside", False)):
        frames = [p["raw"] for p in packets if oracle.is_outbound(p, INSIDE) == is_inside]
        facts.write_pcap(folder / (side + ".pcap"), frames)
    link = {"name": "wan"}
    for side in ("inside", "outside"):
        link[side] = f"pcap:rx={folder}/{side}.pcap,tx={folder}/{side}-sent.pcap"
    # Fragments of which the rest never comes would be held for half a minute.
    flows = {"fragments": {"reassemble": "never"}}
    with Daemon(build, policy=document, config={"links": [link], "flows": flows}) as daemon:
        stats = wait_for(daemon, len(packets))
        check_counters(stats, sent, blocks, len(packets))
        check_filters(daemon, blocks)
        check_events(daemon, blocks)
    assert daemon.exit_status == 0, daemon.exit_status
    for side, direction in (("inside", "inbound"), ("outside", "outbound")):
        _, records = facts.read_pcap(folder / (side + "-sent.pcap"))
        assert [frame for _, _, frame in records] == sent[direction], f"{direction}: other frames were sent"
    return len(packets), sum(blocks.values())


def main():
    build, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    seed = int(os.environ.get("SLUICE_SEED", random.SystemRandom().getrandbits(32)))
    print(f"SLUICE_SEED={seed}")
    total = blocked = 0
    for i in range(rounds):
        with tempfile.TemporaryDirectory(prefix="sluice-qa-") as folder:
            n, b = try_once(build, pathlib.Path(folder), random.Random(seed * 1000003 + i))
            total, blocked = total + n, blocked + b
    print(f"{total} packets crossed or were stopped as the oracle says, {blocked} of them stopped")


if __name__ == "__main__":
    main()
