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
    done = subprocess.run([REPLAY, "--policy", folder / "policy.json", "--quiet", *args], capture_output=True,
                          text=True, timeout=120, check=False)  # fmt: skip
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


def compare(document, packets, inside, verdicts, metadata):
    """Every well-formed packet has the oracle's verdict. Returns how often each layer blocked."""
    policy = oracle.Policy(document, {"count"})
    blocks = collections.Counter()
    for packet, verdict, seen in zip(packets, verdicts, metadata, strict=True):
        if "malformed" in seen or "refused" in seen:
            if "record" not in packet:  # made here, so it is well-formed
                raise Difference(f"packet {packet['n']} is refused: {seen} {packet['raw'].hex()}")
            continue
        wanted = policy.judge(packet, inside)
        found = tuple(verdict[name] for name in MEMBERS)
        if found != wanted:
            raise Difference(f"packet {packet['n']}: {found}, the oracle says {wanted} of {packet}")
        blocks[wanted[2]] += 1
    return blocks


def check_permitted(path, records, verdicts, linktype):
    """What left is what was permitted, to the bit and the microsecond."""
    kept = [record for record, verdict in zip(records, verdicts) if verdict["verdict"] == "permit"]
    if facts.read_pcap(path) != (linktype, kept):
        raise Difference("--permitted is not what was permitted")


def check_ports(folder, records, verdicts, linktype):
    """The same packets as captures of two ports have the same verdicts, in the order of time."""
    sides = {"outbound": [], "inbound": []}
    for record, verdict in zip(records, verdicts):
        sides[verdict["direction"]].append(record)
    facts.write_pcap(folder / "inside.pcap", sides["outbound"], linktype)
    facts.write_pcap(folder / "outside.pcap", sides["inbound"], linktype)
    run(folder, "--inside-pcap", folder / "inside.pcap", "--outside-pcap", folder / "outside.pcap",
        "--verdicts", folder / "two")  # fmt: skip

    def known(verdict):
        return tuple(str(verdict[name]) for name in ("time", *MEMBERS))

    if sorted(map(known, verdicts)) != sorted(map(known, lines(folder / "two"))):
        raise Difference("two ports give other verdicts than one wire")


def check_events(events, verdicts):
    """One event a block, saying the same."""
    names = ("time", "direction", "layer", "sublayer", "filter", "reason")
    blocked = [tuple(v[k] for k in names) for v in verdicts if v["verdict"] == "block"]
    if [tuple(e[k] for k in names) for e in events] != blocked:
        raise Difference("events are not the blocks")


def try_once(folder, generator, packets, linktype):
    inside = choose_inside(generator, packets)
    document = random_policy.Generator(generator, packets, inside).document(generator.choice((3, 10, 30, 60)))
    (folder / "policy.json").write_text(json.dumps(document))
    records = [p.get("record") or (10**15 + 1000 * i, len(p["raw"]), p["raw"]) for i, p in enumerate(packets)]
    facts.write_pcap(folder / "in.pcap", records, linktype)
    run(folder, "--in", folder / "in.pcap", "--inside", ",".join(map(str, inside)),
        "--engine", generator.choice(("compiled", "reference", "check")),
        "--verdicts", folder / "verdicts", "--metadata", folder / "metadata",
        "--events", folder / "events", "--permitted", folder / "permitted")  # fmt: skip
    verdicts = lines(folder / "verdicts")
    blocks = compare(document, packets, inside, verdicts, lines(folder / "metadata"))
    check_permitted(folder / "permitted", records, verdicts, linktype)
    check_events(lines(folder / "events"), verdicts)
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
                packets = [maker.frame() for _ in range(120)]
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
    print(f"{judged} packets judged as the oracle says, {judged - total[None]} blocked by {layers} layers")
    # A run in which nothing happened shows nothing.
    return 0 if rounds < 60 or layers >= 12 and total[None] > judged // 20 else 1


if __name__ == "__main__":
    sys.exit(main())
