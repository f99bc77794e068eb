#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Fragments wait for their datagram, are decided about together, and leave as they came."""
import random

from base import *
from scapy.layers.inet import fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.packet import Raw

DNS = filter_of("dns", "inbound_transport_v4", "block", ("ip_local_port", "equal", 53))
# Nothing is blocked by it, but ports are asked for.
ASKS = filter_of("asks", "inbound_transport_v4", "permit", ("ip_local_port", "equal", 7))
TIMEOUT_S = 30


def pieces(port, n=3, ident=9, size=1400, payload=None):
    """A datagram of n fragments to an inside host."""
    payload = bytes(size * (n - 1) + 100) if payload is None else payload
    datagram = IP(src=HOST_OUT, dst=HOST_IN, id=ident) / UDP(sport=1, dport=port) / Raw(payload)
    found = [Ether(src=MAC_OUT, dst=MAC_IN) / f for f in fragment(datagram, size)]
    assert len(found) == n, len(found)
    return found


def at(seconds, packet):
    return Record(packet, time_ns=START + round(seconds * 1e9))


class Fragments(ReplayTest):
    def by_packet(self, answer):
        """Short verdicts in the order of the packets."""
        rows = sorted(answer.verdicts, key=lambda v: v["n"])
        return [v["verdict"] if v["verdict"] == "permit" else v["filter"] or v["reason"] for v in rows]

    def order(self, answer):
        return [v["n"] for v in answer.verdicts]

    def test_all_or_none(self):
        answer = self.replay({"filters": [DNS]}, pieces(53) + pieces(54, ident=10))
        self.assertEqual(answer.short, ["dns"] * 3 + ["permit"] * 3)
        self.assertEqual(len(answer.events), 1)
        self.assertEqual({v["layer"] for v in answer.verdicts[:3]}, {"inbound_transport_v4"})
        self.assertEqual([m.get("dst_port") for m in answer.metadata], [53, None, None, 54, None, None])

    def test_original_fragments_leave(self):
        packets = pieces(54)
        answer = self.replay({"filters": [DNS]}, packets)
        self.assertEqual([data for _, data in answer.permitted[1]], [bytes(p) for p in packets])

    def test_any_order(self):
        for seed in range(5):
            packets = pieces(54, 5)
            random.Random(seed).shuffle(packets)
            answer = self.replay({"filters": [DNS]}, packets)
            self.assertEqual(answer.short, ["permit"] * 5)
            self.assertEqual([data for _, data in answer.permitted[1]], [bytes(p) for p in packets])

    def test_lines_stand_where_it_was_decided(self):
        first, second = pieces(54), pieces(53, ident=10)
        packets = [first[0], second[2], to_inside(UDP(dport=54)), first[2], second[0], first[1], second[1]]
        answer = self.replay({"filters": [DNS]}, packets)
        self.assertEqual(self.order(answer), [3, 1, 4, 6, 2, 5, 7])
        self.assertEqual(answer.short, ["permit"] * 4 + ["dns"] * 3)
        wanted = [packets[i] for i in (2, 0, 3, 5)]
        self.assertEqual([data for _, data in answer.permitted[1]], [bytes(p) for p in wanted])

    def test_nobody_asks(self):
        """Without a filter that sees whole datagrams fragments go one by one."""
        answer = self.replay({}, pieces(54)[:2])
        self.assertEqual(answer.short, ["permit"] * 2)
        forward = filter_of("all", "ipforward_v4", "block", ("flags", "flags_all_set", ["is_fragment"]))
        self.assertEqual(self.judge([forward], pieces(54)), ["all"] * 3)

    def test_never(self):
        """Reassembly off: ports are in the first fragment alone."""
        flows = self.folder / "flows.json"
        flows.write_text('{"fragments": {"reassemble": "never"}}')
        self.assertEqual(self.judge([DNS], pieces(53), "--flows", flows), ["dns", "permit", "permit"])
        later = filter_of("later", "inbound_transport_v4", "block", ("ip_local_port", "equal", None))
        self.assertEqual(self.judge([later], pieces(53), "--flows", flows), ["permit", "later", "later"])

    def test_always(self):
        flows = self.folder / "flows.json"
        flows.write_text('{"fragments": {"reassemble": "always"}}')
        self.assertEqual(self.judge([], pieces(53)[:2], "--flows", flows), ["frag_timeout"] * 2)

    def test_two_views(self):
        """Each fragment once with one flag, the whole once with the other (WFP 1.6)."""
        single = filter_of("single", "inbound_ippacket_v4", "block", ("flags", "flags_all_set", ["is_fragment"]))
        whole = filter_of("whole", "inbound_ippacket_v4", "block", ("flags", "flags_all_set", ["is_reassembled"]))
        self.assertEqual(self.judge([ASKS, single], pieces(53)), ["single"] * 3)
        self.assertEqual(self.judge([ASKS, whole], pieces(53)), ["whole"] * 3)
        long = filter_of("long", "inbound_ippacket_v4", "block", ("x_packet_length", "greater", 1500))
        self.assertEqual(self.judge([ASKS, long], pieces(53)), ["long"] * 3)

    def test_end_of_the_capture(self):
        answer = self.replay({"filters": [ASKS]}, pieces(53)[:2] + [to_inside(UDP(dport=1))])
        self.assertEqual(self.order(answer), [3, 1, 2])
        self.assertEqual(answer.short, ["permit", "frag_timeout", "frag_timeout"])

    def test_time_out(self):
        first, last = pieces(53)[:2], pieces(53)[2]
        packets = [at(0, first[0]), at(1, first[1]), at(29, to_inside(UDP())), at(31, last), at(32, to_inside(UDP()))]
        answer = self.replay({"filters": [ASKS]}, packets)
        self.assertEqual(self.by_packet(answer), ["frag_timeout", "frag_timeout", "permit", "frag_timeout", "permit"])
        self.assertEqual(self.order(answer), [3, 1, 2, 5, 4])
        self.assertEqual(self.judge([ASKS], [at(0, first[0]), at(29, first[1]), at(29.9, last)]), ["permit"] * 3)

    def test_many(self):
        """More fragments than are let go at a time, of one datagram and of many that never end."""
        whole = pieces(54, 900, size=64, payload=bytes(64 * 900 - 8))
        answer = self.replay({"filters": [DNS]}, [*whole, to_inside(UDP(dport=1))], step=1000)
        self.assertEqual(self.by_packet(answer), ["permit"] * 901)
        sent = [data for _, data in answer.permitted[1] if len(data) > 60]
        self.assertEqual(sent, [bytes(p) for p in whole])
        first = [pieces(54, 2, ident=i)[0] for i in range(600)]
        for i, packet in enumerate(first):
            packet[IP].src = f"198.51.100.{i % 20}"
            del packet[IP].chksum
        answer = self.replay({"filters": [DNS]}, first, step=1000)
        self.assertEqual(answer.short, ["frag_timeout"] * 600)
        # Where the policy asks no more, they leave.
        nothing = self.folder / "nothing.json"
        nothing.write_text("{}")
        answer = self.replay({"filters": [DNS]}, [*first, at(2, to_inside(UDP()))], "--policy-at", f"+1={nothing}", step=1000)
        self.assertEqual(answer.short, ["permit"] * 601)

    def test_duplicate_and_overlap(self):
        one = pieces(54)
        answer = self.replay({"filters": [ASKS]}, [one[0], one[0], one[1], one[2]])
        self.assertEqual(self.by_packet(answer), ["permit", "frag_duplicate", "permit", "permit"])
        other = pieces(54, payload=bytes(2000) + bytes([1] * 900))
        other[1][IP].frag -= 1
        del other[1][IP].chksum
        answer = self.replay({"filters": [ASKS]}, [one[0], other[1], one[2]])
        self.assertEqual(self.by_packet(answer), ["frag_overlap", "frag_overlap", "frag_ended"])

    def test_hosts_inside_too(self):
        datagram = IP(src=HOST_IN, dst=HOST_OUT, id=3) / UDP(sport=1, dport=53) / Raw(bytes(2000))
        packets = [Ether(src=MAC_IN, dst=MAC_OUT) / f for f in fragment(datagram, 1400)]
        out = filter_of("out", "outbound_transport_v4", "block", ("ip_remote_port", "equal", 53))
        self.assertEqual(self.judge([out], packets), ["out"] * 2)
        out["conditions"][0]["value"] = 54
        self.assertEqual(self.judge([out], packets), ["permit"] * 2)

    def test_version_6(self):
        datagram = IPv6(src=HOST_OUT6, dst=HOST_IN6) / IPv6ExtHdrFragment(id=77) / UDP(sport=1, dport=53) / Raw(bytes(3000))
        packets = [Ether(src=MAC_OUT, dst=MAC_IN) / f for f in fragment6(datagram, 1280)]
        dns = filter_of("dns", "inbound_transport_v6", "block", ("ip_local_port", "equal", 53))
        self.assertGreater(len(packets), 2)
        self.assertEqual(self.judge([dns], packets), ["dns"] * len(packets))
        dns["conditions"][0]["value"] = 54
        self.assertEqual(self.judge([dns], packets), ["permit"] * len(packets))

    def test_bursts_change_no_verdict(self):
        """Many datagrams of which some never end, mixed, several packets in a millisecond."""
        for seed in range(5):
            rng = random.Random(seed)
            talks = [pieces(rng.choice([53, 54]), rng.randrange(2, 6), ident=i) for i in range(30)]
            for talk in talks:
                rng.shuffle(talk)
                if rng.random() < 0.2:
                    talk.pop()
                elif rng.random() < 0.2:
                    talk.append(rng.choice(talk))
            packets = []
            while talks:
                talk = rng.choice(talks)
                packets.append(talk.pop(0))
                talks = [talk for talk in talks if talk]
            known = None
            for burst in (1, 3, 64):
                answer = self.replay({"filters": [DNS]}, packets, "--burst", burst, step=70_000)
                verdicts = sorted(answer.verdicts, key=lambda v: v["n"])
                known = known or verdicts
                self.assertEqual(verdicts, known, f"seed {seed}, bursts of {burst}")

    def test_flow_of_a_datagram(self):
        """The whole opens a flow and is authorised; its fragments count for it, and replies pass."""
        accept = filter_of("accept", "ale_auth_recv_accept_v4", "permit", ("ip_local_port", "equal", 53))
        connect = filter_of("none", "ale_auth_connect_v4", "block")
        reply = to_outside(UDP(sport=53, dport=1))
        answer = self.replay({"filters": [accept, connect]}, [*pieces(53), reply], "--flow-events")
        self.assertEqual(answer.short, ["permit"] * 4)
        (new,) = [e for e in answer.events if e["type"] == "flow_new"]
        self.assertEqual((new["filter"], new["opened"]), ("accept", "inbound"))


if __name__ == "__main__":
    main()
