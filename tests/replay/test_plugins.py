#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Callouts in a replay: those that come with the appliance, those that are missing or refused."""
from base import *
from scapy.layers.inet import IPerror, UDPerror

LAYER = "inbound_transport_v4"


def policy_of(plugin, kind="callout_terminating", more=(), **members):
    """A policy whose callout decides about every packet to port 53."""
    return {
        "callouts": [{"key": "it", "name": "It", "layer": LAYER, "plugin": plugin}],
        "provider_contexts": [{"key": "how", "name": "How", "data": {"pps": 10, "burst": 10}}],
        "filters": [
            filter_of("ask", LAYER, {"type": kind, "callout": "it"}, ("ip_local_port", "equal", 53),
                      sublayer="firewall", **members),
            *more,
        ],
    }  # fmt: skip


class Plugins(ReplayTest):
    def test_inspection_changes_nothing(self):
        answer = self.replay(policy_of("count", "callout_inspection"), [to_inside(UDP(dport=53))] * 3)
        self.assertEqual(answer.short, ["permit"] * 3)

    def test_reset_answers(self):
        """Answers leave by the port the packet came in by, and stand behind it in the file."""
        packets = [
            to_inside(UDP(dport=54)), to_inside(UDP(sport=9, dport=53) / b"abc"),
            to_inside(TCP(sport=9, dport=53, flags="S", seq=5)), to_inside(UDP(dport=55)),
        ]  # fmt: skip
        answer = self.replay(policy_of("reset"), packets)
        self.assertEqual(answer.short, ["permit", "ask", "ask", "permit"])
        _, records = answer.permitted
        self.assertEqual(len(records), 4)
        self.assertEqual([t for t, _ in records], [START + i * 1_000_000 for i in range(4)])
        unreachable, reset = Ether(records[1][1]), Ether(records[2][1])
        self.assertEqual((unreachable.src, unreachable.dst), (MAC_IN, MAC_OUT))
        self.assertEqual((unreachable[IP].dst, unreachable[ICMP].type), (HOST_OUT, 3))
        self.assertEqual((unreachable[IPerror].dst, unreachable[UDPerror].dport), (HOST_IN, 53))
        self.assertEqual((reset[IP].src, reset[IP].dst), (HOST_IN, HOST_OUT))
        self.assertEqual((reset[TCP].dport, reset[TCP].ack), (9, 6))
        self.assertIn("R", reset[TCP].flags)
        self.assertIn("2 replies", answer.stderr)

    def test_a_twin_silences(self):
        silent = filter_of("silent", "inbound_transport_v4_discard", "block", ("ip_protocol", "equal", 6))
        packets = [to_inside(UDP(sport=9, dport=53)), to_inside(TCP(dport=53, flags="S"))]
        answer = self.replay(policy_of("reset", more=[silent]), packets, "--burst", "2")
        self.assertEqual(answer.short, ["ask", "ask"])
        self.assertEqual([Ether(data)[IP].proto for _, data in answer.permitted[1]], [1])

    def test_rate_on_the_clock_of_the_capture(self):
        """Ten a second after a burst of ten, whatever the time of day."""
        policy = policy_of("ratelimit", provider_context="how")
        answer = self.replay(policy, [to_inside(UDP(dport=53))] * 40, step=50_000_000)
        passed = answer.short.count("permit")
        self.assertIn(passed, range(28, 32), answer.short)
        self.assertEqual(answer.short[:10], ["permit"] * 10)

    def test_quota_of_flows(self):
        """Packets of 1,042 bytes, and flows that may move 2,500."""
        policy = {
            "callouts": [
                {"key": "new", "name": "New", "layer": "ale_flow_established_v4", "plugin": "quota"},
                {"key": "more", "name": "More", "layer": "datagram_data_v4", "plugin": "quota"},
            ],
            "provider_contexts": [{"key": "little", "name": "Little", "data": {"bytes": 2500}}],
            "filters": [
                filter_of("give", "ale_flow_established_v4", {"type": "callout_unknown", "callout": "new"},
                          ("ip_local_port", "equal", 53), provider_context="little"),
                filter_of("count", "datagram_data_v4", {"type": "callout_unknown", "callout": "more"}),
            ],
        }  # fmt: skip
        one, other, free = UDP(sport=9, dport=53), UDP(sport=10, dport=53), UDP(sport=9, dport=54)
        packets = [to_inside(udp / bytes(1000)) for udp in (one, other, free) for _ in range(4)]
        answer = self.replay(policy, packets)
        half = ["permit"] * 2 + ["count"] * 2
        self.assertEqual(answer.short, half + half + ["permit"] * 4)
        # After a minute without a packet the next one opens a flow with a quota of its own.
        records = [Record(packet, time_ns=START + i * 10**6) for i, packet in enumerate(packets[:4])]
        records += [Record(packet, time_ns=START + 61 * 10**9) for packet in packets[:1]]
        self.assertEqual(self.replay(policy, records).short, half + ["permit"])

    def test_missing_plugin_fails_closed(self):
        answer = self.replay(policy_of("nowhere"), [to_inside(UDP(dport=53)), to_inside(UDP(dport=54))])
        self.assertEqual(answer.short, ["ask", "permit"])
        self.assertEqual(answer.verdicts[0]["reason"], "callout_unregistered")
        self.assertIn('warning: ', answer.stderr)
        self.assertIn('callout "it" names the plugin "nowhere"', answer.stderr)

    def test_refused_plugin_is_a_warning(self):
        plugins = self.folder / "plugins"
        plugins.mkdir()
        (plugins / "text.so").write_text("not a plugin")
        answer = self.replay({}, [to_inside(UDP())], "--plugins", plugins)
        self.assertEqual(answer.short, ["permit"])
        self.assertIn("warning: ", answer.stderr)
        self.assertIn("text.so", answer.stderr)

    def test_refused_filter_refuses_the_policy(self):
        path = self.folder / "in.pcap"
        write_pcap(path, [])
        policy = policy_of("ratelimit", provider_context="how")
        policy["provider_contexts"][0]["data"] = {"pps": "many"}
        answer = self.run_tool("--policy", self.write_policy(policy), "--inside", INSIDE, "--in", path)
        self.assertEqual(answer.code, 2)
        self.assertIn("pps", answer.stderr)


if __name__ == "__main__":
    main()
