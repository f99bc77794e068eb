#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What is wrong is said once, clearly, with exit status 2."""
from base import *


class BadInput(ReplayTest):
    def setUp(self):
        super().setUp()
        self.capture = self.folder / "in.pcap"
        write_pcap(self.capture, [to_inside(UDP(dport=53))])
        self.policy = self.write_policy({})

    def refused(self, *args, says=()):
        answer = self.run_tool(*args)
        self.assertEqual(answer.code, 2, answer.stderr)
        self.assertEqual(answer.stdout, "")
        for text in says:
            self.assertIn(str(text), answer.stderr)
        return answer.stderr

    def run_with(self, *args, says=()):
        return self.refused(
            "--policy", self.policy, "--inside", INSIDE, "--in", self.capture, *args, says=says
        )

    def test_usage(self):
        files = ["--policy", self.policy]
        self.refused(says=["--policy is missing"])
        self.refused(*files, says=["no capture"])
        self.refused(*files, "--in", self.capture, says=["--inside"])
        self.refused(*files, "--in", self.capture, "--inside-pcap", self.capture, "--inside", "::/0",
                     says=["exclude"])  # fmt: skip
        self.run_with("--frobnicate", says=["frobnicate", "--help"])
        self.run_with("stray", says=["stray"])
        self.run_with("--verdicts", says=["verdicts"])
        self.run_with("--engine", "fast", says=["fast", "compiled", "reference", "check"])
        for burst in ("0", "65", "x", "-1", "", "1x", "99999999999999999999"):
            self.run_with("--burst", burst, says=["--burst", "1 to 64"])
        for text in ("", "x", "+1", "+=f", "+1=", "1=f", "+1s=f", "2026-01-02=f", "2026-01-02T03:04:05=f",
                     "2026-13-02T03:04:05Z=f", "1960-01-01T00:00:00Z=f"):  # fmt: skip
            self.run_with("--policy-at", text, says=["--policy-at", f'"{text}"', "TIME=FILE"])
        self.run_with("--flow-events", says=["--flow-events needs --events"])
        self.run_with("--link", "", says=["--link"])
        self.run_with("--link", "x" * 56, says=["--link"])

    def test_help_and_version(self):
        answer = self.run_tool("--help")
        self.assertEqual((answer.code, answer.stderr), (0, ""))
        for option in ("--policy", "--policy-at", "--flows", "--flow-events", "--inside-pcap", "--engine", "--plugins", "--permitted"):
            self.assertIn(option, answer.stdout)
        answer = self.run_tool("--version")
        self.assertRegex(answer.stdout, r"^sluice-replay \d+\.\d+\.\d+\n$")

    def test_networks(self):
        for text in ("", "10.0.0.0/33", "10.0.0/8", "2001:db8::/129", "10.0.0.0/8,", "inside"):
            self.refused("--policy", self.policy, "--in", self.capture, "--inside", text,
                         says=["--inside", f'"{text.split(",")[-1]}"'])  # fmt: skip

    def test_files_that_are_not_there(self):
        self.policy = self.folder / "no.json"
        self.run_with(says=[self.policy, "No such file"])
        self.policy = self.write_policy({})
        self.capture = self.folder / "no.pcap"
        self.run_with(says=[self.capture, "No such file"])

    def test_not_a_capture(self):
        self.capture.write_text("this is no capture, and long enough to be looked at for one")
        self.run_with(says=[self.capture])
        self.capture.write_bytes(b"")
        self.run_with(says=[self.capture])

    def test_capture_cut_short(self):
        """What came before the cut has been judged."""
        write_pcap(self.capture, [to_inside(UDP(dport=53)), to_inside(UDP(dport=54))])
        self.capture.write_bytes(self.capture.read_bytes()[:-5])
        self.run_with("--verdicts", self.folder / "verdicts", says=[self.capture, "truncated"])
        self.assertEqual(len((self.folder / "verdicts").read_text().splitlines()), 1)

    def test_json_syntax(self):
        self.policy = self.write_policy('{"filters": [\n  {"key": "a",,}\n]}')
        self.run_with(says=[f"{self.policy}:2:"])
        self.policy = self.write_policy('{"filters": [], "filters": []}')
        self.run_with(says=[self.policy, "filters"])
        self.policy = self.write_policy("[" * 10000)
        self.run_with(says=[self.policy])
        self.policy = self.write_policy("")
        self.run_with(says=[self.policy])

    def test_every_fault_is_told(self):
        self.policy = self.write_policy(
            {
                "filters": [
                    filter_of("a", "inbound_transport_v4", "block", ("no_field", "equal", 1)),
                    filter_of("b", "inbound_transport_v9"),
                    filter_of("c", "inbound_transport_v4", "block", ("ip_local_port", "equal", 65536)),
                    {**filter_of("d", "inbound_transport_v4"), "colour": "red"},
                    filter_of("e", "stream_v4"),
                ]
            }
        )
        said = self.run_with(
            says=[
                f"{self.policy}: /filters/0/conditions/0/field: ",
                f"{self.policy}: /filters/1/layer: ",
                f"{self.policy}: /filters/2/conditions/0/value: ",
                f"{self.policy}: /filters/3/colour: ",
                f"{self.policy}: /filters/4/layer: ",
            ]
        )
        self.assertEqual(len(said.splitlines()), 5, said)

    def test_policies_to_come(self):
        """Every policy is read before the first packet is judged; their times go up."""
        verdicts = self.folder / "verdicts"
        later = self.folder / "later.json"
        later.write_text(json.dumps({"filters": [filter_of("b", "inbound_transport_v9")]}))
        self.run_with("--policy-at", f"+1={later}", "--verdicts", verdicts, says=[f"{later}: /filters/0/layer: "])
        self.run_with("--policy-at", f"+1={self.folder}/no.json", says=["no.json", "No such file"])
        later.write_text("{}")
        self.run_with("--policy-at", f"+1={later}", "--policy-at", f"+0.999999999={self.policy}",
                      says=["--policy-at", "order of time"])  # fmt: skip
        self.run_with("--policy-at", f"2020-01-01T00:00:00Z={later}", "--policy-at", f"2019-01-01T00:00:00Z={later}",
                      says=["--policy-at", "order of time"])  # fmt: skip
        self.assertFalse(verdicts.exists())

    def test_flows(self):
        flows = self.folder / "flows.json"
        for text, words in (
            ('{"max": -1, "tcp": "slow", "colour": 1}', [f"{flows}: /max: ", f"{flows}: /tcp: ", f"{flows}: /colour"]),
            ('{"max": 1,}', [f"{flows}:1:"]),
            ('{"tcp_checksum": "some"}', [f"{flows}: /tcp_checksum: ", 'allowed are "control", "all", "ignore"']),
            ('{"timeouts": {"udp": 0}}', [f"{flows}: /timeouts/udp: "]),
            ('{"pend": {"max": 65537, "packets": -1, "kilobytes": 0.5, "timeout": 301, "flows": 1}}',
             [f"{flows}: /pend/{member}: " for member in ("max", "packets", "kilobytes", "timeout")] + [f"{flows}: /pend/flows"]),
            ("[]", [flows]),
        ):
            flows.write_text(text)
            self.run_with("--flows", flows, says=words)
        self.run_with("--flows", self.folder / "no.json", says=["no.json", "No such file"])
        self.run_with("--tcp-checksum", "some", says=['--tcp-checksum: "some" is not control, all or ignore'])

    def test_references_to_nothing(self):
        self.policy = self.write_policy({"filters": [filter_of("a", "ipforward_v4", sublayer="gone")]})
        self.run_with(says=[f"{self.policy}: /filters/0/sublayer: ", "gone"])

    def test_outputs_that_cannot_be_written(self):
        for option in ("--verdicts", "--metadata", "--events", "--permitted"):
            self.run_with(option, self.folder / "no" / "file", says=["No such file"])
        for option in ("--verdicts", "--metadata", "--permitted"):
            self.run_with(option, "/dev/full", says=["/dev/full", "No space left"])

    def test_plugin_directory_that_is_not_there(self):
        self.run_with("--plugins", self.folder / "none", says=["--plugins", "none"])


if __name__ == "__main__":
    main()
