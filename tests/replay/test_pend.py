#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Decisions that a callout puts off (WFP 6.6, 7.9 items 11 and 12), told by packets of the capture what to say."""
import random

from base import *
from scapy.layers.inet import fragment
from scapy.layers.inet6 import IPv6
from test_ale import ACCEPT, CONNECT, Tcp, at, udp_in, udp_out

PERMIT, ABSORB, BLOCK = 1, 2, 3
TIMEOUT = 30
PLUGINS = os.environ.get("SLUICE_TEST_PLUGINS", "build/tests/replay")


def asked(key, layer, *conditions, **members):
    callout = "later-" + layer
    return filter_of(key, layer, {"type": "callout_terminating", "callout": callout}, *conditions, **members)


def tell(answer):
    """What was put off before this packet is answered."""
    return to_inside(UDP(sport=answer, dport=9))


class PendTest(ReplayTest):
    def run_pend(self, packets, *args, filters=None, flows=None, changes=(), **members):
        """UDP and TCP to port 53 or 80 outside wait."""
        if filters is None:
            filters = [asked("ask", CONNECT, ("ip_remote_port", "equal", 53), ("ip_remote_port", "equal", 80), **members)]
        layers = [CONNECT, ACCEPT, "ale_auth_connect_v6", "inbound_transport_v4"]

        def document(of):
            told = filter_of("tell", layers[3], {"type": "callout_inspection", "callout": "later-" + layers[3]},
                             ("ip_local_port", "equal", 9))
            return {"callouts": [{"key": "later-" + layer, "name": "Later", "layer": layer, "plugin": "defer"}
                                 for layer in layers], "filters": [*of, told]}

        more = ["--flow-events", "--plugins", PLUGINS]
        for i, (seconds, later) in enumerate(changes):
            path = self.folder / f"policy-{i}.json"
            path.write_text(json.dumps(document(later)))
            more += ["--policy-at", f"+{seconds}={path}"]
        if flows is not None:
            path = self.folder / "flows.json"
            path.write_text(json.dumps(flows))
            more += ["--flows", path]
        return self.replay(document(filters), packets, *more, *args)

    def by_number(self, answer):
        """Per packet of the capture "permit", "absorb", or the reason."""
        lines = sorted(answer.verdicts, key=lambda line: line["n"])
        return [line["reason"] if line["verdict"] == "block" else line["verdict"] for line in lines]

    def order(self, answer):
        """Numbers of packets, from 1, in the order in which they were decided about."""
        return [line["n"] for line in answer.verdicts]

    def events_of(self, answer, kind):
        return [event for event in answer.events if event["type"] == kind]


class Answers(PendTest):
    def test_permit(self):
        """What was held leaves in its order, and the flow lives as one that was permitted at once."""
        packets = [at(0, udp_out()), at(0.2, udp_out()), at(0.4, udp_out()), at(1, tell(PERMIT)), at(2, udp_in()),
                   at(3, udp_out())]  # fmt: skip
        answer = self.run_pend(packets)
        self.assertEqual(self.by_number(answer), ["permit"] * 6)
        self.assertEqual(self.order(answer), [4, 1, 2, 3, 5, 6])
        sent = [Ether(data)[UDP].dport for _, data in answer.permitted[1]]
        self.assertEqual(sent, [9, 53, 53, 53, 40000, 53])
        self.assertEqual([data for _, data in answer.permitted[1]][1], bytes(udp_out()))
        new = [event for event in self.events_of(answer, "flow_new") if event["destination_port"] == 53]
        self.assertEqual([(event["opened"], event["layer"], event["filter"]) for event in new], [("outbound", CONNECT, "ask")])
        established = [event for event in self.events_of(answer, "flow_established") if event["destination_port"] == 53]
        self.assertEqual(len(established), 1)

    def test_block(self):
        """One event, and the rest of what was held opens nothing."""
        packets = [at(0, udp_out()), at(0.2, udp_out()), at(1, tell(BLOCK)), at(2, udp_in())]
        answer = self.run_pend(packets)
        self.assertEqual(self.by_number(answer), ["filter", "filter", "permit", "permit"])
        self.assertEqual([line["filter"] for line in answer.verdicts if line["n"] == 1], ["ask"])
        drops = self.events_of(answer, "classify_drop")
        self.assertEqual([(event["filter"], event["layer"]) for event in drops][:1], [("ask", CONNECT)])
        # What comes from there afterwards is not an answer: it opens a flow of its own.
        self.assertEqual([event["opened"] for event in self.events_of(answer, "flow_new")], ["inbound", "inbound"])

    def test_blocked_may_ask_again(self):
        packets = [at(0, udp_out()), at(1, tell(BLOCK)), at(2, udp_out()), at(3, tell(PERMIT)), at(4, udp_out())]
        self.assertEqual(self.by_number(self.run_pend(packets)), ["filter", "permit", "permit", "permit", "permit"])

    def test_absorb(self):
        packets = [at(0, udp_out()), at(0.5, udp_out()), at(1, tell(ABSORB)), at(2, udp_in())]
        answer = self.run_pend(packets)
        self.assertEqual(self.by_number(answer)[:3], ["absorb", "absorb", "permit"])
        self.assertEqual(self.events_of(answer, "classify_drop"), [])

    def test_from_outside(self):
        filters = [asked("ask", ACCEPT, ("ip_local_port", "equal", 40000))]
        packets = [at(0, udp_in()), at(0.5, udp_out()), at(1, tell(PERMIT)), at(2, udp_out())]
        answer = self.run_pend(packets, filters=filters)
        self.assertEqual(self.by_number(answer), ["permit", "flow_pended", "permit", "permit"])
        opened = [event["opened"] for event in self.events_of(answer, "flow_new") if event["source_port"] == 53]
        self.assertEqual(opened, ["inbound"])

    def test_ipv6(self):
        packet = Ether(src=MAC_IN, dst=MAC_OUT) / IPv6(src=HOST_IN6, dst=HOST_OUT6) / UDP(sport=1, dport=53) / b"six"
        filters = [asked("ask", "ale_auth_connect_v6", ("ip_remote_port", "equal", 53))]
        answer = self.run_pend([at(0, packet), at(1, tell(PERMIT)), at(2, packet)], filters=filters)
        self.assertEqual(self.by_number(answer), ["permit"] * 3)
        self.assertEqual(self.order(answer), [2, 1, 3])

    def test_answers_behind_the_last_packet(self):
        """An answer that comes with the last packet is heard."""
        self.assertEqual(self.by_number(self.run_pend([at(0, udp_out()), at(1, tell(PERMIT))])), ["permit", "permit"])

    def test_many_at_once(self):
        packets = [at(0, udp_out(local=1000 + i)) for i in range(200)] + [at(1, tell(PERMIT))]
        packets += [at(5, udp_out(local=1000 + i)) for i in range(200)]
        for burst in ("1", "64"):
            answer = self.run_pend(packets, "--burst", burst)
            self.assertEqual(self.by_number(answer), ["permit"] * 401)
            self.assertEqual(len(self.events_of(answer, "flow_new")), 201)


class Tcps(PendTest):
    def test_the_syn_goes_on(self):
        """A retransmission makes no second question and no second SYN."""
        tcp = Tcp()
        syn = tcp.syn()
        packets = [at(0, syn), at(1, syn), at(1.5, tell(PERMIT)), at(2, tcp.synack()), at(2.1, tcp.ack()),
                   at(2.2, tcp.data("inside")), at(2.3, tcp.data("outside"))]  # fmt: skip
        answer = self.run_pend(packets)
        self.assertEqual(self.by_number(answer), ["permit", "flow_pended"] + ["permit"] * 5)
        self.assertEqual(self.order(answer), [2, 3, 1, 4, 5, 6, 7])
        established = [event for event in self.events_of(answer, "flow_established") if event["destination_port"] == 80]
        self.assertEqual(len(established), 1)
        self.assertRegex(established[0]["time"], r"^2026-01-02T03:04:07")

    def test_nothing_passes_meanwhile(self):
        tcp = Tcp()
        packets = [at(0, tcp.syn()), at(0.1, tcp.synack()), at(0.2, tcp.ack()), at(0.3, tcp.data("inside"))]
        answer = self.run_pend(packets)
        self.assertEqual(self.by_number(answer), ["flow_pended"] * 4)
        # What is held at the end of the capture is told of last.
        self.assertEqual(self.order(answer), [2, 3, 4, 1])
        self.assertEqual(answer.permitted[1], [])

    def test_blocked(self):
        tcp = Tcp()
        answer = self.run_pend([at(0, tcp.syn()), at(1, tell(BLOCK)), at(2, tcp.synack())])
        self.assertEqual(self.by_number(answer)[:2], ["filter", "permit"])
        self.assertEqual(self.events_of(answer, "flow_closed"), [])


class Times(PendTest):
    LATER = 2 * TIMEOUT

    def test_nobody_answers(self):
        packets = [at(0, udp_out()), at(5, udp_out()), at(self.LATER, udp_in(local=7))]
        answer = self.run_pend(packets)
        self.assertEqual(self.by_number(answer), ["pend_timeout", "pend_timeout", "permit"])
        (drop, *_) = self.events_of(answer, "classify_drop")
        self.assertEqual((drop["reason"], drop["layer"]), ("pend_timeout", CONNECT))
        self.assertRegex(drop["time"], r"^2026-01-02T03:04:35\.[01]")

    def test_a_filter_that_lets_pass_then(self):
        packets = [at(0, udp_out()), at(5, udp_out()), at(self.LATER, udp_in())]
        answer = self.run_pend(packets, flags=["permit_if_callout_unregistered"])
        self.assertEqual(self.by_number(answer), ["permit"] * 3)
        (new,) = self.events_of(answer, "flow_new")
        self.assertRegex(new["time"], r"^2026-01-02T03:04:35\.[01]")

    def test_configured(self):
        packets = [at(0, udp_out()), at(1.9, udp_in(local=7)), at(2.2, udp_in(local=8)), at(3, tell(PERMIT))]
        answer = self.run_pend(packets, flows={"pend": {"timeout": 2}})
        self.assertEqual(self.by_number(answer), ["pend_timeout", "permit", "permit", "permit"])
        self.assertEqual(self.order(answer), [2, 1, 3, 4])

    def test_the_end_of_the_capture(self):
        answer = self.run_pend([at(0, udp_out()), at(1, udp_in(local=7))])
        self.assertEqual(self.by_number(answer), ["flow_pended", "permit"])

    def test_waiting_does_not_age(self):
        """A flow's own time-out is for those that were authorised."""
        flows = {"timeouts": {"udp": 1}, "pend": {"timeout": 20}}
        answer = self.run_pend([at(0, udp_out()), at(10, tell(PERMIT)), at(10.5, udp_in())], flows=flows)
        self.assertEqual(self.by_number(answer), ["permit"] * 3)


class Bounds(PendTest):
    def test_packets_of_a_flow(self):
        packets = [at(i / 100, udp_out()) for i in range(10)] + [at(1, tell(PERMIT))]
        answer = self.run_pend(packets)
        self.assertEqual(self.by_number(answer), ["permit"] * 8 + ["flow_pended"] * 2 + ["permit"])
        answer = self.run_pend(packets, flows={"pend": {"packets": 2}})
        self.assertEqual(self.by_number(answer), ["permit"] * 2 + ["flow_pended"] * 8 + ["permit"])

    def test_bytes_of_a_flow(self):
        packets = [at(i / 100, to_outside(UDP(sport=1, dport=53) / bytes(600))) for i in range(3)] + [at(1, tell(PERMIT))]
        answer = self.run_pend(packets, flows={"pend": {"kilobytes": 1}})
        self.assertEqual(self.by_number(answer), ["permit", "flow_pended", "flow_pended", "permit"])

    def test_nothing_may_be_held(self):
        """Then the question is asked all the same, and the next packet has the answer."""
        packets = [at(0, udp_out()), at(0.5, udp_out()), at(1, tell(PERMIT)), at(2, udp_out()), at(3, udp_in())]
        for pend in ({"packets": 0}, {"kilobytes": 0}):
            answer = self.run_pend(packets, flows={"pend": pend})
            self.assertEqual(self.by_number(answer), ["flow_pended", "flow_pended", "permit", "permit", "permit"])
        packets[2] = at(1, tell(BLOCK))
        answer = self.run_pend(packets[:3], flows={"pend": {"packets": 0}})
        self.assertEqual(self.by_number(answer), ["flow_pended", "flow_pended", "permit"])

    def test_connections_without_anything_held(self):
        tcp = Tcp()
        syn = tcp.syn()
        packets = [at(0, syn), at(0.5, tell(PERMIT)), at(1, syn), at(1.1, tcp.synack()), at(1.2, tcp.ack()),
                   at(1.3, tcp.data("inside"))]  # fmt: skip
        answer = self.run_pend(packets, flows={"pend": {"packets": 0}})
        self.assertEqual(self.by_number(answer), ["flow_pended"] + ["permit"] * 5)

    def test_flows(self):
        """Without room the callout must decide at once; this one blocks."""
        packets = [at(0, udp_out(local=i)) for i in (1, 2, 3)] + [at(1, tell(PERMIT)), at(2, udp_out(local=3))]
        answer = self.run_pend(packets + [at(3, tell(PERMIT))], flows={"pend": {"max": 2}})
        self.assertEqual(self.by_number(answer), ["permit", "permit", "filter", "permit", "permit", "permit"])
        answer = self.run_pend(packets, flows={"pend": {"max": 0}})
        self.assertEqual(self.by_number(answer), ["filter"] * 3 + ["permit", "filter"])

    def test_fragments(self):
        """A datagram that was put together is not held; its flow waits all the same."""
        def parts(number, seconds):
            whole = to_outside(UDP(sport=40000, dport=53) / bytes(2000), id=number)
            return [at(seconds + i / 100, part) for i, part in enumerate(fragment(whole, 1400))]

        answer = self.run_pend(parts(7, 0) + [at(1, tell(PERMIT))] + parts(8, 2))
        self.assertEqual(self.by_number(answer), ["flow_pended"] * 2 + ["permit"] * 3)

    def test_in_one_burst(self):
        packets = [at(0, udp_out()) for _ in range(12)] + [at(1, tell(PERMIT))]
        answer = self.run_pend(packets, "--burst", "64")
        self.assertEqual(self.by_number(answer), ["permit"] * 8 + ["flow_pended"] * 4 + ["permit"])


class Changes(PendTest):
    def test_judged_by_the_policy_in_force(self):
        """The answer is one word among others: a filter that came meanwhile has its own."""
        ask = asked("ask", CONNECT, ("ip_remote_port", "equal", 53))
        no = filter_of("no", CONNECT, "block", ("ip_remote_port", "equal", 53), weight={"range": 15})
        packets = [at(0, udp_out()), at(2, tell(PERMIT)), at(3, udp_in(local=7))]
        answer = self.run_pend(packets, filters=[ask], changes=[(1, [ask, no])])
        self.assertEqual(self.by_number(answer), ["filter", "permit", "permit"])
        self.assertEqual([line["filter"] for line in answer.verdicts if line["n"] == 1], ["no"])

    def test_nobody_asks_any_more(self):
        """A policy that does not ask lets it pass, when the answer comes or its time is over."""
        ask = asked("ask", CONNECT, ("ip_remote_port", "equal", 53))
        packets = [at(0, udp_out()), at(2, udp_out()), at(3, tell(BLOCK)), at(4, udp_in(local=7))]
        answer = self.run_pend(packets, filters=[ask], changes=[(1, [])])
        self.assertEqual(self.by_number(answer), ["permit"] * 4)
        packets[2] = at(TIMEOUT + 2, udp_in(local=8))
        answer = self.run_pend(packets, filters=[ask], changes=[(1, [])])
        self.assertEqual(self.by_number(answer), ["permit"] * 4)


class Model:
    """What becomes of UDP packets when those to port 53 wait, flow by flow and packet by packet."""

    MAX, PACKETS, TIMEOUT, IDLE = 4, 3, 2.5, 5.5
    FLOWS = {"pend": {"max": MAX, "packets": PACKETS, "timeout": TIMEOUT}, "timeouts": {"udp": IDLE}}

    def __init__(self):
        self.verdicts = []
        self.waiting = {}  # port: (since, numbers of packets that are held), in the order of their age
        self.open = {}  # port: when it was last seen
        self.asked = []  # (port, since) of what the callout has not answered
        self.answers = []  # (port, since, answer) that are on their way

    def end_waiting(self, port, verdict):
        for number in self.waiting.pop(port)[1]:
            self.verdicts[number] = verdict

    def advance(self, now):
        """Answers are heard at once, before whatever is over by then."""
        heard, self.answers = self.answers, []
        for port, since, answer, when in heard:
            if self.waiting.get(port, (None,))[0] != since:
                continue
            self.end_waiting(port, {PERMIT: "permit", ABSORB: "absorb"}.get(answer, "filter"))
            if answer == PERMIT:
                self.open[port] = min(when + 0.1, now)
        for port, (since, _) in list(self.waiting.items()):
            if since + self.TIMEOUT < now:
                self.end_waiting(port, "pend_timeout")
        self.open = {port: last for port, last in self.open.items() if last + self.IDLE > now}

    def take(self, now, kind, value):
        self.advance(now)
        self.verdicts.append("permit")
        if kind == "tell":
            self.answers = [(*asked, value, now) for asked in self.asked]
            self.asked = []
        elif value in self.waiting:
            held = self.waiting[value][1]
            if kind == "out" and len(held) < self.PACKETS:
                held.append(len(self.verdicts) - 1)
            else:
                self.verdicts[-1] = "flow_pended"
        elif value in self.open or kind == "in":
            self.open[value] = now
        elif len(self.waiting) == self.MAX:
            self.verdicts[-1] = "filter"
        else:
            self.waiting[value] = (now, [len(self.verdicts) - 1])
            self.asked.append((value, now))

    def stop(self):
        """Behind the last packet answers are heard, and nothing else happens."""
        self.advance(max(when for *_, when in self.answers) if self.answers else 0)
        for port in list(self.waiting):
            self.end_waiting(port, "flow_pended")


class Models(PendTest):
    def sequence(self, seed):
        """Packets at whole seconds or a few milliseconds later, so that nothing is over when one comes."""
        chance = random.Random(seed)
        second, packets = 0, []
        for _ in range(150):
            if chance.random() < 0.5:
                second += chance.randint(1, 3)
                place = 0
            place = place + 1 if packets and packets[-1][0] >= second else 0
            kind = chance.choices(("out", "in", "tell"), (10, 3, 3))[0]
            value = chance.choice((PERMIT, PERMIT, BLOCK, ABSORB)) if kind == "tell" else 1000 + chance.randrange(8)
            packets.append((second + place / 1000, kind, value))
        return packets

    def test_random_sequences(self):
        make = {"out": lambda port: udp_out(local=port), "in": lambda port: udp_in(local=port), "tell": tell}
        seen = set()
        for seed in range(15):
            sequence, model = self.sequence(seed), Model()
            for step in sequence:
                model.take(*step)
            model.stop()
            answer = self.run_pend([at(now, make[kind](value)) for now, kind, value in sequence], flows=Model.FLOWS)
            self.assertEqual(self.by_number(answer), model.verdicts, f"seed {seed}: {sequence}")
            seen.update(model.verdicts)
        self.assertEqual(seen, {"permit", "absorb", "filter", "flow_pended", "pend_timeout"})


if __name__ == "__main__":
    main()
