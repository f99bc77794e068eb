#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Flows and their authorisation on the capture's clock: the list of WFP 7.9, and the order of layers (WFP 1.4)."""
from base import *

ACCEPT, CONNECT = "ale_auth_recv_accept_v4", "ale_auth_connect_v4"
ESTABLISHED = "ale_flow_established_v4"
POLICY_CHANGE, MID_STREAM = 0x1, 0x40
IS_REAUTHORIZE = ("flags", "flags_all_set", ["is_reauthorize"])
UNSOLICITED = filter_of("unsolicited", ACCEPT)


def ports(key, layer, action, *rest, local=None, remote=None, protocol=None):
    """A filter on ports and protocol."""
    rows = [("ip_local_port", local), ("ip_remote_port", remote), ("ip_protocol", protocol)]
    return filter_of(key, layer, action, *[(f, "equal", v) for f, v in rows if v is not None], *rest)


def at(seconds, packet):
    return Record(packet, time_ns=START + round(seconds * 1e9))


def udp_out(local=40000, remote=53, host=HOST_OUT, source=HOST_IN):
    return Ether(src=MAC_IN, dst=MAC_OUT) / IP(src=source, dst=host) / UDP(sport=local, dport=remote) / b"query"


def udp_in(local=40000, remote=53, host=HOST_OUT):
    return Ether(src=MAC_OUT, dst=MAC_IN) / IP(src=host, dst=HOST_IN) / UDP(sport=remote, dport=local) / b"answer"


class Tcp:
    """Both ends of a connection; every method gives the next segment of one of them."""

    def __init__(self, opener="inside", local=40000, remote=80):
        self.opener, self.ports = opener, {"inside": local, "outside": remote}
        self.seq = {"inside": 1000, "outside": 900000}

    def other(self, side):
        return "outside" if side == "inside" else "inside"

    def segment(self, side, flags, payload=b"", seq=None):
        peer = self.other(side)
        header = TCP(
            sport=self.ports[side], dport=self.ports[peer], flags=flags, window=60000,
            seq=self.seq[side] if seq is None else seq, ack=self.seq[peer] if "A" in flags else 0,
        )  # fmt: skip
        if seq is None:
            self.seq[side] += len(payload) + ("S" in flags) + ("F" in flags)
        way = to_outside if side == "inside" else to_inside
        return way(header / payload)

    def syn(self):
        return self.segment(self.opener, "S")

    def synack(self):
        return self.segment(self.other(self.opener), "SA")

    def ack(self, side=None):
        return self.segment(side or self.opener, "A")

    def data(self, side, payload=b"data"):
        return self.segment(side, "PA", payload)

    def handshake(self):
        return [self.syn(), self.synack(), self.ack()]


class AleTest(ReplayTest):
    def run_flows(self, filters, packets, *args, flows=None, changes=(), **capture):
        """Judges packets; `changes` are (seconds, filters) that come into force."""
        more = ["--flow-events"]
        if flows is not None:
            path = self.folder / "flows.json"
            path.write_text(json.dumps(flows))
            more += ["--flows", path]
        for i, (seconds, later) in enumerate(changes):
            path = self.folder / f"policy-{i}.json"
            path.write_text(json.dumps({"filters": later}))
            more += ["--policy-at", f"+{seconds}={path}"]
        return self.replay({"filters": filters}, packets, *more, *args, **capture)

    def flow_events(self, answer, kind="flow_new"):
        return [event for event in answer.events if event["type"] == kind]

    def ends(self, answer):
        return [event["end"] for event in self.flow_events(answer, "flow_closed")]


class Authorisation(AleTest):
    def test_01_only_connect_sees_a_request(self):
        """UDP request out, reply in: the reply passes though inbound flows are all blocked."""
        filters = [UNSOLICITED, ports("dns", CONNECT, "permit", remote=53, local=40000)]
        answer = self.run_flows(filters, [udp_out(), udp_in(), udp_out(), udp_in(), udp_in(local=40001)])
        self.assertEqual(answer.short, ["permit"] * 4 + ["unsolicited"])
        (new,) = self.flow_events(answer)
        self.assertEqual((new["opened"], new["layer"], new["filter"]), ("outbound", CONNECT, "dns"))
        self.assertEqual(answer.verdicts[4]["layer"], ACCEPT)
        self.assertEqual(answer.verdicts[4]["direction"], "inbound")

    def test_01_local_is_inside_at_both(self):
        filters = [ports("out", CONNECT, "block", local=7, remote=9), ports("in", ACCEPT, "block", local=7, remote=9)]
        packets = [udp_out(7, 9), udp_out(9, 7), udp_in(7, 9), udp_in(9, 7)]
        self.assertEqual(self.run_flows(filters, packets).short, ["out", "permit", "in", "permit"])

    def test_02_reply_from_another_port(self):
        packets = [udp_out(), udp_in(remote=54), udp_in(host="198.51.100.8"), udp_in()]
        self.assertEqual(
            self.run_flows([UNSOLICITED], packets).short, ["permit", "unsolicited", "unsolicited", "permit"]
        )

    def test_03_idle_for_61_seconds(self):
        packets = [at(0, udp_out(1)), at(0, udp_out(2)), at(59, udp_in(1)), at(61, udp_in(2)), at(118, udp_in(1)),
                   at(179, udp_in(1))]  # fmt: skip
        answer = self.run_flows([UNSOLICITED], packets)
        self.assertEqual(answer.short, ["permit"] * 3 + ["unsolicited", "permit", "unsolicited"])
        self.assertEqual(self.ends(answer), ["idle", "idle"])
        first, second = self.flow_events(answer, "flow_closed")
        self.assertEqual((first["destination_port"], second["destination_port"]), (2, 1))
        # To a tenth of a second after 60 s, and after 118 + 60 s.
        self.assertRegex(first["time"], r"^2026-01-02T03:05:05\.[0-2]")
        self.assertRegex(second["time"], r"^2026-01-02T03:07:03\.[0-2]")

    def test_03_time_outs_are_configured(self):
        packets = [at(0, udp_out()), at(1.9, udp_in()), at(3.8, udp_in()), at(6, udp_in())]
        answer = self.run_flows([UNSOLICITED], packets, flows={"timeouts": {"udp": 2}})
        self.assertEqual(answer.short, ["permit"] * 3 + ["unsolicited"])

    def test_04_an_unrelated_change_matters_to_nobody(self):
        """Flows of connect are not judged anew for a filter at accept, nor for one that is not about them."""
        again = filter_of("again", CONNECT, "block", IS_REAUTHORIZE)
        accept = ports("more", ACCEPT, "block", local=99)
        packets = [at(0, udp_out()), at(2, udp_in()), at(3, udp_out())]
        answer = self.run_flows([again], packets, changes=[(1, [again, accept])])
        self.assertEqual(answer.short, ["permit"] * 3)
        # The same with a filter at connect: the flow is judged anew, which "again" tells.
        connect = ports("more", CONNECT, "block", remote=99)
        answer = self.run_flows([again], packets, changes=[(1, [again, connect])])
        # It has ended there: the third packet is the first of another one.
        self.assertEqual(answer.short, ["permit", "again", "permit"])
        self.assertEqual(self.ends(answer), ["policy"])
        self.assertEqual(len(self.flow_events(answer)), 2)

    def test_05_a_blocking_filter_ends_the_flow(self):
        """An inbound packet triggers the judgement at connect; arrival is known then, next hop is not."""
        cut = filter_of("cut", CONNECT, "block", ("reauthorize_reason", "equal", POLICY_CHANGE), IS_REAUTHORIZE,
                        ("ip_arrival_interface", "equal", 2), ("ip_nexthop_interface", "equal", None),
                        ("ip_local_port", "equal", 40000), ("ip_remote_port", "equal", 53))  # fmt: skip
        packets = [at(0, udp_out()), at(1, udp_in()), at(3, udp_in()), at(4, udp_in()), at(4, udp_out())]
        answer = self.run_flows([UNSOLICITED], packets, changes=[(2, [UNSOLICITED, cut])])
        # What comes then is new: unsolicited from outside, permitted from inside.
        self.assertEqual(answer.short, ["permit", "permit", "cut", "unsolicited", "permit"])
        self.assertEqual((answer.verdicts[2]["layer"], answer.verdicts[2]["direction"]), (CONNECT, "inbound"))
        (closed,) = self.flow_events(answer, "flow_closed")
        self.assertEqual(closed["end"], "policy")
        self.assertEqual(closed["packets"], {"outbound": 1, "inbound": 1})
        self.assertRegex(closed["time"], r"^2026-01-02T03:04:08\.0")

    def test_05_outbound_knows_the_next_hop(self):
        cut = filter_of("cut", ACCEPT, "block", IS_REAUTHORIZE, ("ip_arrival_interface", "equal", None),
                        ("ip_nexthop_interface", "equal", 2))  # fmt: skip
        packets = [at(0, udp_in()), at(1, udp_out()), at(3, udp_out()), at(4, udp_in())]
        answer = self.run_flows([], packets, changes=[(2, [cut])])
        self.assertEqual(answer.short, ["permit", "permit", "cut", "permit"])
        self.assertEqual((answer.verdicts[2]["layer"], answer.verdicts[2]["direction"]), (ACCEPT, "outbound"))

    def test_05_first_packets_are_no_reauthorisation(self):
        filters = [filter_of("again-" + layer, layer, "block", IS_REAUTHORIZE) for layer in (CONNECT, ACCEPT)]
        filters += [filter_of("why-" + layer, layer, "block", ("reauthorize_reason", "not_equal", 0))
                    for layer in (CONNECT, ACCEPT)]  # fmt: skip
        self.assertEqual(self.run_flows(filters, [udp_out(), udp_in(9)]).short, ["permit"] * 2)

    def test_06_what_is_left_of_a_cut_connection(self):
        """Later packets without SYN are dropped, also when the filter is gone; a SYN opens a new connection."""
        cut = ports("cut", CONNECT, "block", remote=80)
        tcp, new = Tcp(), Tcp()
        new.seq = {"inside": 5000000, "outside": 7000000}
        packets = [at(0.1 * i, p) for i, p in enumerate([*tcp.handshake(), tcp.data("inside")])]
        packets += [at(2, tcp.data("outside")), at(4, tcp.data("inside")), at(5, tcp.ack("outside")),
                    *[at(6 + 0.1 * i, p) for i, p in enumerate([*new.handshake(), new.data("inside")])]]  # fmt: skip
        answer = self.run_flows([], packets, changes=[(1, [cut]), (3, [])])
        self.assertEqual(answer.short, ["permit"] * 4 + ["cut", "flow_revoked", "flow_revoked"] + ["permit"] * 4)
        self.assertEqual(len(self.flow_events(answer)), 2)
        self.assertEqual(self.ends(answer), ["policy"])

    def test_06_without_a_flow(self):
        """Once nobody remembers it, the rest of a connection belongs to none."""
        tcp = Tcp()
        tcp.handshake()
        packets = [tcp.data("inside"), tcp.data("outside"), Tcp().syn()]
        answer = self.run_flows([filter_of("any", CONNECT, "permit")], packets, flows={"midstream": "drop"})
        self.assertEqual(answer.short, ["tcp_no_connection", "tcp_no_connection", "permit"])

    def test_07_ping(self):
        packets = [
            to_outside(ICMP(type=8, id=7, seq=1)), to_inside(ICMP(type=0, id=7, seq=1)),
            to_inside(ICMP(type=0, id=8, seq=1)), to_inside(ICMP(type=8, id=7)), to_outside(ICMP(type=0, id=7)),
        ]  # fmt: skip
        self.assertEqual(
            self.run_flows([UNSOLICITED], packets).short, ["permit", "permit", "unsolicited", "unsolicited", "permit"]
        )
        # A reply to nothing opens a flow like anything else, and is answered by requests alone.
        packets = [packets[4], packets[1], packets[3]]
        self.assertEqual(self.run_flows([UNSOLICITED], packets).short, ["permit", "unsolicited", "permit"])

    def test_08_icmp_errors_go_with_their_flow(self):
        """An error about a live flow is seen at the error layer, never at accept; one about nothing is dropped."""

        def error(local):
            return to_inside(ICMP(type=3, code=3) / IP(src=HOST_IN, dst=HOST_OUT) / UDP(sport=local, dport=53))

        packets = [udp_out(), error(40000), error(40001)]
        answer = self.run_flows([UNSOLICITED], packets)
        self.assertEqual(answer.short, ["permit", "permit", "icmp_error_unrelated"])
        seen = filter_of("seen", "inbound_icmp_error_v4", "block", ("embedded_remote_port", "equal", 53))
        answer = self.run_flows([UNSOLICITED, seen], packets[:2])
        self.assertEqual(answer.short, ["permit", "seen"])
        answer = self.run_flows([UNSOLICITED], packets, flows={"icmp_errors": "any"})
        self.assertEqual(answer.short, ["permit", "permit", "permit"])
        self.assertEqual(len(self.flow_events(answer)), 1)

    def test_09_answers_to_multicast(self):
        """For four seconds any host may answer the port that asked; only what goes out refreshes."""
        query = udp_out(5353, 5353, "224.0.0.251")
        answers = [udp_in(5353, 5353, f"198.51.100.{i}") for i in (1, 2, 3)]
        packets = [at(0, query), at(1, answers[0]), at(2, answers[1]), at(3.9, answers[2]),
                   at(5, udp_in(5353, 5353, "198.51.100.4"))]  # fmt: skip
        answer = self.run_flows([UNSOLICITED], packets)
        self.assertEqual(answer.short, ["permit"] * 4 + ["unsolicited"])
        answer = self.run_flows([UNSOLICITED], [at(0, query), at(3, query), at(6, answers[0])])
        self.assertEqual(answer.short, ["permit"] * 3)
        answer = self.run_flows([UNSOLICITED], packets[:2], flows={"multicast": "deny"})
        self.assertEqual(answer.short, ["permit", "unsolicited"])

    def test_10_established_once(self):
        """Three judgements anew, and one flow_established."""
        tcp = Tcp()
        packets = [at(0.1 * i, p) for i, p in enumerate(tcp.handshake())]
        packets += [at(1.5 + i, tcp.data(("inside", "outside")[i % 2])) for i in range(4)]
        once = filter_of("once", ESTABLISHED, "permit")
        changes = [(i + 1, [once, ports("about-it", CONNECT, "permit", remote=80, local=40000 + i % 2)])
                   for i in range(3)]  # fmt: skip
        answer = self.run_flows([once], packets, changes=changes)
        self.assertEqual(answer.short, ["permit"] * 7)
        self.assertEqual(len(self.flow_events(answer)), 1)
        (established,) = self.flow_events(answer, "flow_established")
        self.assertEqual(established["direction"], "outbound")
        self.assertRegex(established["time"], r"^2026-01-02T03:04:05\.2")

    def test_13_a_full_table(self):
        """Flows without an answer give way, those with one do not, and then new flows are refused."""
        flows = {"max": 16}
        asked = [udp_out(1000 + i) for i in range(17)]
        answer = self.run_flows([UNSOLICITED], asked, flows=flows)
        self.assertEqual(answer.short, ["permit"] * 17)
        self.assertIn("evicted", self.ends(answer))
        answered = [packet for i in range(16) for packet in (udp_out(1000 + i), udp_in(1000 + i))]
        answer = self.run_flows([UNSOLICITED], [*answered, udp_out(2000), udp_in(1000)], flows=flows)
        self.assertEqual(answer.short, ["permit"] * 32 + ["flow_table_full", "permit"])
        self.assertEqual(self.ends(answer), [])
        flows["on_full"] = "permit_untracked"
        answer = self.run_flows([UNSOLICITED], [*answered, udp_out(2000), udp_in(2000)], flows=flows)
        self.assertEqual(answer.short, ["permit"] * 33 + ["unsolicited"])

    def test_13_time_outs_shrink(self):
        """Full to the last place, what waits for an answer is over before its time."""
        flows = {"max": 64}
        asked = [at(0.001 * i, udp_out(1000 + i)) for i in range(62)]
        answer = self.run_flows([UNSOLICITED], [*asked, at(30, udp_in(1000))], flows=flows)
        self.assertEqual(answer.short[-1], "unsolicited")
        answer = self.run_flows([UNSOLICITED], [*asked[:8], at(30, udp_in(1000))], flows=flows)
        self.assertEqual(answer.short[-1], "permit")


class Established(AleTest):
    def test_outbound_on_the_last_ack(self):
        tcp = Tcp()
        stop = filter_of("stop", ESTABLISHED, "block", ("direction", "equal", 0))
        answer = self.run_flows([stop], [*tcp.handshake(), tcp.data("inside")])
        self.assertEqual(answer.short, ["permit", "permit", "stop", "flow_revoked"])
        self.assertEqual(answer.verdicts[2]["layer"], ESTABLISHED)
        self.assertEqual(self.ends(answer), ["policy"])

    def test_inbound_on_the_last_ack(self):
        tcp = Tcp("outside", local=80, remote=40000)
        stop = filter_of("stop", ESTABLISHED, "block", ("direction", "equal", 1), ("ip_local_port", "equal", 80))
        answer = self.run_flows([stop], [*tcp.handshake(), tcp.data("inside")])
        self.assertEqual(answer.short, ["permit", "permit", "stop", "flow_revoked"])

    def test_others_at_once(self):
        stop = filter_of("stop", ESTABLISHED, "block", ("ip_protocol", "equal", 17))
        answer = self.run_flows([stop], [udp_out(), udp_in()])
        # The answer to nothing is new, too.
        self.assertEqual(answer.short, ["stop", "stop"])
        self.assertEqual([v["direction"] for v in answer.verdicts], ["outbound", "inbound"])

    def test_a_spoofed_syn_ack_establishes_nothing(self):
        tcp = Tcp()
        answer = self.run_flows([UNSOLICITED], [tcp.syn(), tcp.synack()])
        self.assertEqual(self.flow_events(answer, "flow_established"), [])


class Reject(AleTest):
    def test_both_ends_are_reset(self):
        """A connection that a later policy cuts, with `reject`."""
        tcp = Tcp()
        packets = [at(0.1 * i, p) for i, p in enumerate([*tcp.handshake(), tcp.data("inside")])]
        packets.append(at(2, tcp.data("outside")))
        cut = ports("cut", CONNECT, "block", remote=80)
        answer = self.run_flows([], packets, flows={"reject": True}, changes=[(1, [cut])])
        self.assertEqual(answer.short, ["permit"] * 4 + ["cut"])
        resets = [Ether(data) for _, data in answer.permitted[1][4:]]
        self.assertEqual({(r[IP].src, r[IP].dst) for r in resets}, {(HOST_IN, HOST_OUT), (HOST_OUT, HOST_IN)})
        self.assertEqual([str(r[TCP].flags) for r in resets], ["RA", "RA"])
        answer = self.run_flows([], packets, changes=[(1, [cut])])
        self.assertEqual(len(answer.permitted[1]), 4)


class Closing(AleTest):
    def test_fin(self):
        tcp = Tcp()
        packets = [*tcp.handshake(), tcp.data("inside"), tcp.ack("outside"), tcp.segment("inside", "FA"),
                   tcp.segment("outside", "FA"), tcp.ack("inside")]  # fmt: skip
        packets = [at(0.1 * i, p) for i, p in enumerate(packets)] + [at(40, udp_out())]
        answer = self.run_flows([UNSOLICITED], packets)
        self.assertEqual(answer.short, ["permit"] * 9)
        self.assertEqual(self.ends(answer), ["fin"])
        (closed,) = self.flow_events(answer, "flow_closed")
        self.assertEqual(closed["packets"], {"outbound": 5, "inbound": 3})

    def test_rst(self):
        tcp = Tcp()
        packets = [*tcp.handshake(), tcp.segment("outside", "RA"), tcp.data("inside")]
        packets = [at(0.1 * i, p) for i, p in enumerate(packets)] + [at(10, udp_out())]
        answer = self.run_flows([UNSOLICITED], packets)
        self.assertEqual(answer.short[:4], ["permit"] * 4)
        self.assertEqual(self.ends(answer), ["rst"])

    def test_closure_layer_sees_the_end(self):
        """It has no packet and no verdict; that it was visited is told by its counters, here by no complaint."""
        seen = filter_of("seen", "ale_endpoint_closure_v4", "block")
        answer = self.run_flows([seen], [at(0, udp_out()), at(61, udp_out(2)), at(61, udp_in(2))])
        self.assertEqual(answer.short, ["permit"] * 3)
        self.assertEqual(self.ends(answer), ["idle"])


class TcpState(AleTest):
    def test_out_of_window(self):
        tcp = Tcp()
        stray = Tcp()
        packets = [*tcp.handshake(), tcp.segment("outside", "A", b"x", seq=900000 + 500000), tcp.data("outside"),
                   tcp.segment("outside", "R", seq=12345)]  # fmt: skip
        answer = self.run_flows([UNSOLICITED], packets + [stray.segment("outside", "S")])
        self.assertEqual(answer.short[:6], ["permit"] * 3 + ["tcp_out_of_window", "permit", "tcp_rst_out_of_window"])
        answer = self.run_flows([UNSOLICITED], packets, flows={"tcp": "loose"})
        self.assertEqual(answer.short, ["permit"] * 6)

    def test_picked_up_in_the_middle(self):
        """The side with the high port is taken for the opener; it is a reauthorisation with a reason of its own."""
        tcp = Tcp()
        tcp.handshake()
        packets = [tcp.data("outside"), tcp.data("inside")]
        mid = filter_of("mid", CONNECT, "block", ("x_midstream", "equal", 1), ("reauthorize_reason", "equal", MID_STREAM),
                        ("flags", "flags_all_set", ["is_midstream", "is_reauthorize"]))  # fmt: skip
        answer = self.run_flows([mid], packets)
        self.assertEqual(answer.short, ["mid", "mid"])
        self.assertEqual(answer.verdicts[0]["direction"], "inbound")
        answer = self.run_flows([UNSOLICITED], packets)
        self.assertEqual(answer.short, ["permit", "permit"])
        (established,) = self.flow_events(answer, "flow_established")
        self.assertTrue(established["midstream"])

    def test_state_costs_nothing_that_nobody_asked_for(self):
        """Without a filter at a layer with flow state, packets that fit no flow go their way."""
        tcp = Tcp()
        odd = [tcp.segment("inside", "SF"), tcp.segment("outside", "A", seq=1), tcp.segment("inside", "", b"x")]
        self.assertEqual(self.run_flows([], odd).short, ["permit"] * 3)
        answer = self.run_flows([], odd, flows={"enforce": "always"})
        self.assertEqual(answer.short[0], "tcp_bad_flags")


class Order(AleTest):
    """Filters that block at the layers from the i-th on: the packet goes no further than the i-th."""

    COMMON = {
        "inbound": ["ingress_vswitch_ethernet", "ingress_vswitch_transport_v4", "inbound_mac_frame_ethernet",
                    "inbound_ippacket_v4", "ipforward_v4", "inbound_transport_v4"],
        "outbound": ["outbound_transport_v4", "ipforward_v4", "outbound_ippacket_v4", "outbound_mac_frame_ethernet",
                     "egress_vswitch_ethernet", "egress_vswitch_transport_v4"],
    }  # fmt: skip
    EGRESS = ["egress_vswitch_ethernet", "egress_vswitch_transport_v4"]
    INGRESS = ["ingress_vswitch_ethernet", "ingress_vswitch_transport_v4"]

    def check(self, layers, packets):
        """The last of the packets visits these layers in this order, and nothing else decides about it."""
        # Something at the beginning, so that the filters come into force before the last packet.
        begin = Ether(src=MAC_IN, dst=MAC_OUT, type=0x88B5) / b"begin"
        packets = [begin, *packets]
        timed = [at(0.01 * n, p) for n, p in enumerate(packets[:-1])] + [at(2, packets[-1])]
        for i in range(len(layers) + 1):
            filters = [filter_of("at-" + layer, layer) for layer in layers[i:]]
            answer = self.run_flows([], timed, changes=[(1, filters)])
            found = [v["layer"] for v in answer.verdicts]
            self.assertEqual(found, [None] * (len(packets) - 1) + (layers[i : i + 1] or [None]), layers[i:])

    def test_first_datagram_in(self):
        data = [ACCEPT, ESTABLISHED, "datagram_data_v4"]
        self.check(self.COMMON["inbound"] + data + self.EGRESS, [udp_in()])

    def test_first_datagram_out(self):
        data = [CONNECT, ESTABLISHED, "datagram_data_v4"]
        self.check(self.INGRESS + data + self.COMMON["outbound"], [udp_out()])

    def test_first_segment_in(self):
        syn = Tcp("outside").syn()
        self.check(self.COMMON["inbound"] + [ACCEPT, "stream_packet_v4"] + self.EGRESS, [syn])

    def test_first_segment_out(self):
        syn = Tcp().syn()
        self.check(self.INGRESS + [CONNECT, "stream_packet_v4"] + self.COMMON["outbound"], [syn])

    def test_last_of_the_handshake(self):
        layers = self.INGRESS + [ESTABLISHED, "stream_packet_v4"] + self.COMMON["outbound"]
        self.check(layers, Tcp().handshake())
        layers = self.COMMON["inbound"] + [ESTABLISHED, "stream_packet_v4"] + self.EGRESS
        self.check(layers, Tcp("outside").handshake())

    def test_replies(self):
        """Later packets of either direction see no ALE layer unless it changed."""
        tcp = Tcp()
        self.check(self.COMMON["inbound"] + ["stream_packet_v4"] + self.EGRESS, [tcp.syn(), tcp.synack()])
        self.check(self.COMMON["inbound"] + ["datagram_data_v4"] + self.EGRESS, [udp_out(), udp_in()])

    def test_a_change_of_the_layer_that_authorised(self):
        """An inbound packet of a flow from inside is judged at connect, behind inbound transport."""
        layers = self.COMMON["inbound"] + [CONNECT, "datagram_data_v4"] + self.EGRESS
        self.check(layers, [udp_out(), udp_in()])

    def test_icmp_error_in(self):
        error = to_inside(ICMP(type=3, code=3) / IP(src=HOST_IN, dst=HOST_OUT) / UDP(sport=40000, dport=53))
        self.check(self.COMMON["inbound"] + ["inbound_icmp_error_v4"] + self.EGRESS, [udp_out(), error])


class Repeats(AleTest):
    def traffic(self, seed):
        """Conversations of a few hosts, mixed; several packets in most milliseconds."""
        import random

        rng = random.Random(seed)
        talks, packets = [], []
        for i in range(40):
            if rng.random() < 0.5:
                tcp = Tcp(rng.choice(["inside", "outside"]), local=20000 + i, remote=rng.choice([80, 443]))
                talk = tcp.handshake()
                talk += [tcp.data(rng.choice(["inside", "outside"])) for _ in range(rng.randrange(4))]
                talk += rng.choice([[], [tcp.segment("inside", "FA"), tcp.segment("outside", "FA"), tcp.ack("inside")],
                                    [tcp.segment("outside", "RA")], [tcp.segment("inside", "R", seq=5)]])  # fmt: skip
            else:
                ends = {"local": 20000 + i % 7, "remote": rng.choice([53, 123])}
                talk = [rng.choice([udp_in, udp_out])(**ends) for _ in range(rng.randrange(1, 5))]
            talks.append(talk)
        while talks:
            talk = rng.choice(talks)
            packets.append(talk.pop(0))
            talks = [talk for talk in talks if talk]
        return packets

    def test_bursts_change_no_verdict(self):
        base = [ports("accept-80", ACCEPT, "permit", remote=80), filter_of("accept-tcp", ACCEPT, "block",
                ("ip_protocol", "equal", 6)), ports("ntp", CONNECT, "block", remote=123),
                ports("web", ESTABLISHED, "block", remote=443, local=20003)]  # fmt: skip
        later = [ports("web-out", CONNECT, "block", remote=443), *base]
        for seed in range(6):
            packets = self.traffic(seed)
            known = None
            for burst in (1, 2, 7, 64):
                answer = self.run_flows(base, packets, "--burst", burst, step=150_000, changes=[("0.008", later)])
                verdicts = sorted(answer.verdicts, key=lambda v: v["n"])
                known = known or verdicts
                self.assertEqual(verdicts, known, f"seed {seed}, bursts of {burst}")
            self.assertGreater(sum(v["verdict"] == "block" for v in known), 5)

    def test_same_answer_twice(self):
        runs = []
        for _ in range(2):
            self.run_flows([UNSOLICITED], self.traffic(9), step=3_000_000_000)
            runs.append([(self.folder / name).read_bytes() for name in ("verdicts", "events", "permitted.pcap")])
        self.assertEqual(runs[0], runs[1])


if __name__ == "__main__":
    main()
