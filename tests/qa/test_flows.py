#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random policies at the layers with flow state over conversations: every verdict is the oracle's.

    test_flows.py [ROUNDS]

$SLUICE_SEED repeats a run.
"""
import collections
import json
import os
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import facts  # noqa: E402
import oracle  # noqa: E402
import random_policy  # noqa: E402
import talks  # noqa: E402
from test_verdicts import MEMBERS, Difference, lines, run  # noqa: E402

START_US = 10**15


def mix(generator, conversations, flows):
    """Packets of all of them in random turns, as the oracle lets them: a host stops when nothing comes through.

    Gives packets with their times, and what the oracle says.
    """
    running = [list(talk) for talk in conversations]
    packets, wanted, now = [], [], 0
    while running:
        if generator.random() < 0.02:
            # TCP would not wait so long, and what becomes of it is not for this test.
            now += generator.randrange(20_000_013, 90_000_000, 1000)
            running = [talk for talk in running if talk[0]["protocol"] != 6]
        now += generator.randrange(1000, 50_000, 7)
        if not running:
            break
        talk = generator.choice(running)
        packet = talk.pop(0)
        packet.update(n=len(packets) + 1, time=now / 10**6)
        packets.append(packet)
        wanted.append(flows.see(packet))
        if wanted[-1][1] == "block" and packet["protocol"] == 6:
            talk.clear()
        running = [talk for talk in running if talk]
    return packets, wanted


def try_once(folder, generator):
    conversations = talks.Talker(generator).talks(40)
    everything = [packet for talk in conversations for packet in talk]
    document = random_policy.Generator(generator, everything, talks.INSIDE).document(generator.choice((2, 4, 10)))
    (folder / "policy.json").write_text(json.dumps(document))
    (folder / "flows.json").write_text("{}")
    flows = oracle.Flows(oracle.Policy(document, {"count"}), talks.INSIDE)
    packets, wanted = mix(generator, conversations, flows)
    records = [(START_US + round(p["time"] * 10**6), len(p["raw"]), p["raw"]) for p in packets]
    facts.write_pcap(folder / "in.pcap", records)
    run(folder, "--in", folder / "in.pcap", "--inside", ",".join(map(str, talks.INSIDE)),
        "--engine", generator.choice(("compiled", "check")), "--burst", generator.choice(("1", "64")),
        "--verdicts", folder / "verdicts", "--events", folder / "events", "--flow-events")  # fmt: skip
    blocks = collections.Counter()
    for packet, verdict, want in zip(packets, lines(folder / "verdicts"), wanted, strict=True):
        found = tuple(verdict[name] for name in MEMBERS)
        if found != want:
            raise Difference(f"packet {packet['n']}: {found}, the oracle says {want} of {packet}")
        blocks[want[2] or want[5]] += 1
    check_events(lines(folder / "events"), flows)
    return blocks


def check_events(events, flows):
    opened = collections.Counter(event["opened"] for event in events if event["type"] == "flow_new")
    established = sum(event["type"] == "flow_established" for event in events)
    if (opened, established) != (flows.opened, flows.established):
        raise Difference(f"{opened} flows opened, {established} established; the oracle says {flows.opened} and "
                         f"{flows.established}")  # fmt: skip


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = int(os.environ.get("SLUICE_SEED", random.SystemRandom().getrandbits(32)))
    total = collections.Counter()
    with tempfile.TemporaryDirectory(prefix="sluice-qa-") as folder:
        for i in range(rounds):
            try:
                total += try_once(pathlib.Path(folder), random.Random(seed * 1000003 + i))
            except Difference as difference:
                policy = (pathlib.Path(folder) / "policy.json").read_text()
                print(f"SLUICE_SEED={seed}, round {i}: {difference}\n{policy}", file=sys.stderr)
                return 1
    judged, flow = sum(total.values()), [name for name in total if name and oracle.is_flow_layer(name)]
    print(f"{judged} packets judged as the oracle says, {judged - total[None]} blocked, at {len(flow)} layers with flow state")
    # A run in which nothing happened shows nothing.
    return 0 if rounds < 60 or len(flow) >= 8 and total["icmp_error_unrelated"] else 1


if __name__ == "__main__":
    sys.exit(main())
