#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random policies over packets whose facts are known: every verdict is the oracle's.

    test_verdicts.py [ROUNDS]

Packets are made here; with $SLUICE_CAPTURES also those of real captures. $SLUICE_SEED repeats a run.
"""
import collections
import ipaddress
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import facts  # noqa: E402
import oracle  # noqa: E402
import random_policy  # noqa: E402

REPLAY = os.environ.get("SLUICE_REPLAY", "build/sluice-replay")
MEMBERS = ("direction", "verdict", "layer", "sublayer", "filter", "reason")


class Difference(Exception):
    pass


def run(folder, *args):
    done = subprocess.run([REPLAY, "--policy", folder / "policy.json", "--flows", folder / "flows.json", "--quiet", *args],
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    if done.returncode != 0:
        raise Difference(f"exit status {done.returncode}: {done.stderr}")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def choose_inside(generator, packets):
    """Networks around the sources of some of the packets."""
    sources = [p[k] for p in packets for k in ("source", "arp_sender") if k in p]
    networks = []
    for _ in range(generator.choice((1, 1, 2)) if sources else 0):
        source = generator.choice(sources)
        bits = source.max_prefixlen
        length = generator.choice((0, bits // 4, bits // 2, bits - 8, bits, bits, bits))
        networks.append(ipaddress.ip_network(f"{source}/{length}", strict=False))
    return networks or [ipaddress.ip_network("10.0.0.0/8")]


def compare(wire, packets, verdicts, metadata):
    """Every well-formed packet has the oracle's verdict. Returns how often each layer or reason blocked."""
    blocks = collections.Counter()
    known = []
    for packet, seen in zip(packets, metadata, strict=True):
        if "malformed" not in seen and "refused" not in seen:
            wire.see(packet)
            known.append(packet)
        elif "record" not in packet:  # made here, so it is well-formed
            raise Difference(f"packet {packet['n']} is refused: {seen} {packet['raw'].hex()}")
    wire.end()
    lines = {verdict["n"]: verdict for verdict in verdicts}
    if len(lines) != len(packets) or len(verdicts) != len(packets):
        raise Difference(f"{len(verdicts)} verdicts of {len(packets)} packets")
    for packet in known:
        wanted = wire.verdicts[packet["n"]]
        found = tuple(lines[packet["n"]][name] for name in MEMBERS)
        if wanted is not None and found != wanted:
            raise Difference(f"packet {packet['n']}: {found}, the oracle says {wanted} of {packet}")
        if wanted is not None:
            blocks[wanted[2] or wanted[5]] += 1
    return blocks


def check_permitted(path, records, verdicts, linktype):
    """What left is what was permitted, to the bit and the microsecond, in the order of the decisions."""
    kept = [records[verdict["n"] - 1] for verdict in verdicts if verdict["verdict"] == "permit"]
    if facts.read_pcap(path) != (linktype, kept):
        raise Difference("--permitted is not what was permitted")


def check_ports(folder, records, verdicts, linktype):
    """The same packets as captures of two ports have the same verdicts, in the order of time."""
    sides = {"outbound": [], "inbound": []}
    for verdict in sorted(verdicts, key=lambda verdict: verdict["n"]):
        sides[verdict["direction"]].append(records[verdict["n"] - 1])
    facts.write_pcap(folder / "inside.pcap", sides["outbound"], linktype)
    facts.write_pcap(folder / "outside.pcap", sides["inbound"], linktype)
    run(folder, "--inside-pcap", folder / "inside.pcap", "--outside-pcap", folder / "outside.pcap",
        "--verdicts", folder / "two")  # fmt: skip

    def known(verdict):
        return tuple(str(verdict[name]) for name in ("time", *MEMBERS))

    if sorted(map(known, verdicts)) != sorted(map(known, lines(folder / "two"))):
        raise Difference("two ports give other verdicts than one wire")


def check_events(events, verdicts, wire):
    """One event a block, saying the same; one of a datagram."""
    names = ("direction", "layer", "filter", "reason")
    if None in wire.verdicts.values():
        return
    told = collections.Counter(tuple(event[k] for k in names) for event in events)
    judged = collections.Counter(wire.events)
    for verdict in verdicts:
        if verdict["n"] not in wire.verdicts:  # the parser refuses it
            judged[tuple(verdict[k] for k in names)] += 1
    if told != judged:
        raise Difference(f"events are not the blocks: {told - judged} too many, {judged - told} too few")


def check_times(events, verdicts):
    """Without fragments, events come in the order of the packets, at their times."""
    names = ("time", "direction", "layer", "sublayer", "filter", "reason")
    last, blocked = "", []
    for verdict in verdicts:
        # The clock never steps back.
        last = max(last, verdict["time"])
        if verdict["verdict"] == "block":
            blocked.append((last, *(verdict[k] for k in names[1:])))
    if [tuple(e[k] for k in names) for e in events] != blocked:
        raise Difference("events are not the blocks")


def try_once(folder, generator, packets, linktype):
    inside = choose_inside(generator, packets)
    document = random_policy.Generator(generator, packets, inside).document(generator.choice((3, 10, 30, 60)))
    (folder / "policy.json").write_text(json.dumps(document))
    reassembles = generator.random() < 0.7
    (folder / "flows.json").write_text(json.dumps({} if reassembles else {"fragments": {"reassemble": "never"}}))
    records = [p.get("record") or (10**15 + 1000 * i, len(p["raw"]), p["raw"]) for i, p in enumerate(packets)]
    facts.write_pcap(folder / "in.pcap", records, linktype)
    run(folder, "--in", folder / "in.pcap", "--inside", ",".join(map(str, inside)),
        "--engine", generator.choice(("compiled", "reference", "check")),
        "--verdicts", folder / "verdicts", "--metadata", folder / "metadata",
        "--events", folder / "events", "--permitted", folder / "permitted")  # fmt: skip
    verdicts, events = lines(folder / "verdicts"), lines(folder / "events")
    wire = oracle.Wire(oracle.Policy(document, {"count"}), inside, reassembles)
    blocks = compare(wire, packets, verdicts, lines(folder / "metadata"))
    check_permitted(folder / "permitted", records, verdicts, linktype)
    check_events(events, verdicts, wire)
    if not wire.reassembles:
        check_times(events, verdicts)
    check_ports(folder, records, verdicts, linktype)
    return blocks


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = int(os.environ.get("SLUICE_SEED", random.SystemRandom().getrandbits(32)))
    total = collections.Counter()
    sources = [(name, facts.of_capture(name)) for name in facts.captures()]
    with tempfile.TemporaryDirectory(prefix="sluice-qa-") as folder:
        for i in range(rounds):
            name, generator = f"round {i}", random.Random(seed * 1000003 + i)
            try:
                maker = facts.Maker(generator)
                packets = maker.traffic(160)
                total += try_once(pathlib.Path(folder), generator, packets, facts.ETHERNET)
                if sources:
                    name, (linktype, packets) = sources[i % len(sources)]
                    if packets is not None:
                        total += try_once(pathlib.Path(folder), generator, packets, linktype)
            except Difference as difference:
                policy = (pathlib.Path(folder) / "policy.json").read_text()
                print(f"SLUICE_SEED={seed}, round {i}, {name}: {difference}\n{policy}", file=sys.stderr)
                return 1
    judged, layers = sum(total.values()), len(total) - (None in total)
    print(f"{judged} packets judged as the oracle says, {judged - total[None]} blocked for {layers} reasons")
    # A run in which nothing happened shows nothing.
    return 0 if rounds < 60 or layers >= 12 and total[None] > judged // 20 else 1


if __name__ == "__main__":
    sys.exit(main())
