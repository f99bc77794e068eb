#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""sluicectl against a real daemon, against answers that a real one does not give, and against nothing.

Usage: tests/ctl/test_ctl.py BUILD
"""
import contextlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "api"))
from daemon import Daemon  # noqa: E402
from scapy.layers.inet import ICMP, IP, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.utils import wrpcap  # noqa: E402

BUILD = pathlib.Path(".")
MAC = "02:00:00:00:00:01"

POLICY = {
    "providers": [{"key": "acme", "name": "Acme"}],
    "sublayers": [{"key": "edge", "name": "Edge", "provider": "acme", "weight": 40000}],
    "filters": [
        {"key": "no-telnet", "name": "No telnet", "layer": "inbound_transport_v4", "sublayer": "edge",
         "conditions": [{"field": "ip_protocol", "match": "equal", "value": 6},
                        {"field": "ip_local_port", "match": "equal", "value": 23}], "action": "block"},
        {"key": "web", "name": "Web", "layer": "inbound_transport_v4", "sublayer": "edge",
         "conditions": [{"field": "ip_local_port", "match": "equal", "value": 80},
                        {"field": "ip_local_port", "match": "range", "value": [8000, 8099]}],
         "action": "permit", "flags": ["clear_action_right"]},
        {"key": "rest", "name": "The rest", "layer": "inbound_transport_v4", "action": "permit"},
    ],
}


class Run:
    """One run of sluicectl, ended."""

    def __init__(self, arguments, stdin="", socket_path=None, env=None, **more):
        env = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
        env.pop("SLUICE_SOCKET", None)
        if socket_path is not None:
            env["SLUICE_SOCKET"] = str(socket_path)
        done = subprocess.run([str(BUILD / "sluicectl"), *map(str, arguments)], input=stdin, text=True,
                              capture_output=True, timeout=60, check=False, env=env, **more)
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self):
        return json.loads(self.out)


class Case(unittest.TestCase):
    socket = None

    def ctl(self, *arguments, **more):
        return Run(arguments, socket_path=self.socket, **more)

    def ok(self, *arguments, **more):
        run = self.ctl(*arguments, **more)
        self.assertEqual((run.status, run.err), (0, ""), f"{arguments}: {run.out}{run.err}")
        return run

    def fails(self, status, words, *arguments, **more):
        run = self.ctl(*arguments, **more)
        self.assertEqual(run.status, status, f"{arguments}: {run.out}{run.err}")
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, run.err)
        return run


COMMANDS = ["status", "apply", "filters", "explain", "events", "flows", "get", "put", "delete", "layers", "stats", "ports",
            "links", "plugins", "mode", "version"]


class Usage(Case):
    def test_help(self):
        text = self.ok("--help").out
        for command in COMMANDS:
            self.assertRegex(text, rf"\n  {command} ")
            help_text = self.ok(command, "--help").out
            self.assertIn(f"Usage: sluicectl {command}", help_text)
            self.assertEqual(help_text.count("Examples:"), command == "explain", help_text)
        uses = self.ok("put", "--help").out.split("Creates")[0].split("\n")
        self.assertEqual([line.split("]")[1] for line in uses if line], [" TYPE KEY FILE", " TYPE/KEY FILE"])
        self.assertRegex(self.ok("--version").out, r"^sluicectl \d+\.\d+\.\d+$")

    def test_mistakes(self):
        self.fails(2, "which command?")
        self.fails(2, "there is no command bogus", "bogus")
        self.fails(2, "unrecognized option", "--bogus")
        self.fails(2, "unrecognized option", "status", "--bogus")
        self.fails(2, "unexpected argument more", "status", "more")
        self.fails(2, "FILE is missing", "apply")
        self.fails(2, "one FILE at a time", "apply", "a", "b")
        self.fails(2, "wrong number of arguments", "put", "filters", "a")
        self.fails(2, "wrong number of arguments", "delete", "filters")
        self.fails(2, "an argument is missing", "get")
        self.fails(2, "one of --packet, --pcap and --layer is needed", "explain")
        self.fails(2, "a packet needs its --direction", "explain", "--packet", "00")
        self.fails(2, "the direction is inbound or outbound, not up", "explain", "--packet", "00", "-d", "up")
        self.fails(2, "not a number: x", "events", "--since", "x")
        self.fails(2, "the number of a frame", "explain", "--pcap", "x", "-n", "0", "-d", "in")
        self.fails(2, "plugins takes nothing, load FILE, or unload NAME", "plugins", "load")
        self.fails(2, ": line 1, column 1: ", "explain", "--layer", "x", "--values", "{")

    def test_files(self):
        self.fails(2, "/nowhere: No such file or directory", "apply", "/nowhere")
        self.fails(2, "/: Is a directory", "put", "filters", "a", "/")
        self.fails(2, "No such file or directory", "explain", "--pcap", "/nowhere", "-d", "in")


class Unreachable(Case):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="sluice-ctl-")
        self.addCleanup(self.folder.cleanup)
        os.chmod(self.folder.name, 0o755)
        self.path = os.path.join(self.folder.name, "api.sock")

    def listen(self):
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(self.path)
        self.addCleanup(server.close)
        return server

    def test_absent(self):
        self.fails(3, f"there is no socket {self.path}; is sluiced running?", "-s", self.path, "status")
        self.fails(3, f"there is no socket {self.path}", "status", "--socket", self.path, "-j")
        self.assertEqual(self.fails(3, "there is no socket", "-s", self.path, "version").out.split()[0], "sluicectl")

    def test_environment(self):
        self.socket = self.path
        self.fails(3, f"there is no socket {self.path}", "status")

    def test_nobody_listens(self):
        self.listen()
        self.fails(3, f"nobody listens at {self.path}", "-s", self.path, "status")

    def test_path_too_long(self):
        self.fails(3, "is too long", "-s", "/" + "x" * 200, "status")

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_no_permission(self):
        self.listen().listen()
        os.chmod(self.path, 0o660)
        program = os.path.join(self.folder.name, "sluicectl")
        shutil.copy(BUILD / "sluicectl", program)
        run = subprocess.run([program, "-s", self.path, "status"], capture_output=True, text=True, check=False,
                             user=65534, group=65534, extra_groups=[])
        self.assertEqual(run.returncode, 3)
        self.assertIn(f"no permission to use the socket {self.path} (mode 0660, owner 0, group 0) as user 65534",
                      run.stderr)

    def test_hangs_up(self):
        server = self.listen()
        server.listen()

        def serve():
            for answer in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"garbage\r\n\r\n"):
                connection = server.accept()[0]
                connection.recv(65536)
                connection.sendall(answer)
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        for _ in range(3):
            self.fails(3, f"the daemon at {self.path} did not answer: ", "-s", self.path, "stats")
        thread.join()


class WithDaemon(Case):
    """One daemon for all; each test begins with the same policy."""

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.folder = cls.stack.enter_context(tempfile.TemporaryDirectory(prefix="sluice-ctl-"))
        cls.daemon = cls.stack.enter_context(Daemon(BUILD))
        cls.socket = cls.daemon.socket

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def setUp(self):
        self.ok("apply", "-", stdin=json.dumps(POLICY))

    def file(self, content, name="file.json"):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return path

    def test_status(self):
        text = self.ok("status").out
        self.assertRegex(text, r"sluiced \d.*, running since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC, mode inline")
        self.assertRegex(text, r"policy    revision \d+, in force on 1 of 1 workers")
        self.assertIn(" filters 3", text)
        answer = self.ok("-j", "status").json
        self.assertTrue(answer["ready"]["ready"])
        self.assertEqual(answer["engine"]["objects"]["filters"], 3)

    def test_version(self):
        self.assertRegex(self.ok("version").out, r"^sluicectl (\d\S+)\nsluiced \1, callout ABI 3\n$")
        self.assertEqual(self.ok("version", "-j").json["name"], "sluice")

    def test_apply(self):
        path = self.file({"filters": [{"key": "new", "name": "New", "layer": "inbound_transport_v4",
                                       "action": "block"}]})
        revision = self.ok("-j", "status").json["ready"]["revision"]
        text = self.ok("apply", "--dry-run", path).out
        self.assertIn("+ filters/new\n", text)
        self.assertIn("- filters/no-telnet\n", text)
        self.assertIn(f"dry run, still revision {revision}: 1 added, 0 changed, 5 removed; 1 filters compiled", text)
        self.assertEqual(self.ok("-j", "status").json["ready"]["revision"], revision)
        report = self.ok("apply", "-j", path).json
        self.assertEqual(report["diff"]["added"], ["filters/new"])
        self.assertEqual([f["key"] for f in self.ok("-j", "get", "filters").json["items"]], ["new"])
        self.assertIn("in force: revision", self.ok("apply", path).out)

    def test_apply_lists_only_some(self):
        policy = {"filters": [{"key": f"f{i:02}", "name": "F", "layer": "inbound_transport_v4", "action": "block",
                               "conditions": [{"field": "ip_local_port", "match": "equal", "value": i}]}
                              for i in range(30)]}
        text = self.ok("apply", "-n", "-", stdin=json.dumps(policy)).out
        self.assertEqual(text.count("\n+ filters/"), 20)
        self.assertIn("+ ... and 10 more\n", text)
        self.assertEqual(self.ok("apply", "-na", "-", stdin=json.dumps(policy)).out.count("\n+ filters/"), 30)

    def test_apply_for_one_provider(self):
        document = {"filters": [{"key": "theirs", "name": "T", "layer": "inbound_transport_v4", "provider": "other",
                                 "action": "permit"}], "providers": [{"key": "other", "name": "O"}]}
        text = self.ok("apply", "-n", "--provider", "other", "-", stdin=json.dumps(document)).out
        self.assertIn("+ filters/theirs", text)
        self.assertNotIn("filters/rest", text)

    def test_apply_refused(self):
        bad = {"filters": [{"key": "a", "name": "A", "layer": "nowhere", "action": "block"},
                           {"key": "b", "name": "B", "layer": "inbound_transport_v4", "action": "explode"}]}
        run = self.fails(1, ["sluicectl: there is no layer \"nowhere\"", " (and 1 more) (layer_not_found)\n",
                             "\n  /filters/0/layer: there is no layer", "\n  /filters/1/action: "],
                         "apply", self.file(bad))
        self.assertEqual(run.out, "")
        problem = self.ctl("-j", "apply", self.file(bad))
        self.assertEqual((problem.status, problem.err), (1, ""))
        self.assertEqual([e["pointer"] for e in problem.json["errors"]], ["/filters/0/layer", "/filters/1/action"])
        self.fails(1, ["line 2, column ", "(invalid_json)"], "apply", self.file('{"filters":\n [,]}'))
        self.assertEqual(len(self.ok("-j", "get", "filters").json["items"]), 3)

    def test_objects(self):
        body = self.file({"name": "Lab", "weight": 5})
        self.assertEqual(self.ok("-j", "put", "sublayers", "lab", body).json["weight"], 5)
        self.assertEqual(self.ok("get", "sublayer", "lab").out.split("\n")[1], '  "key": "lab",')
        self.assertRegex(self.ok("get", "sublayers").out, r"(?m)^lab +Lab +5 +- +api$")
        self.ok("put", "/v1/sublayers/lab", "-", stdin='{"name": "Laboratory", "weight": 6}')
        dry = self.ok("-j", "delete", "sublayer", "lab", "--dry-run").json
        self.assertEqual(dry["diff"]["removed"], ["sublayers/lab"])
        self.ok("put", "sublayers/lab", body)
        self.assertEqual(self.ok("-j", "get", "sublayers/lab").json["name"], "Lab")
        self.assertEqual(self.ok("delete", "sublayers/lab").out, "")
        self.ok("put", "sublayers", "lab", body)
        self.assertEqual(self.ok("delete", "sublayer", "lab").out, "")
        self.fails(1, '(sublayer_not_found)', "get", "sublayer", "lab")
        self.fails(1, ["is in use", "(in_use)", "referred to by filters/no-telnet"], "delete", "sublayers", "edge")
        self.fails(1, "(not_found)", "get", "nonsense")
        self.fails(1, "there is no filter \"a?b c\"", "get", "filter", "a?b c")
        self.assertEqual(self.ok("-j", "get", "/v1/health").json, {"status": "ok"})
        self.assertEqual(self.ok("-j", "get", "engine").json["mode"], "inline")

    def test_lists_have_all_pages(self):
        policy = {"sets": [{"key": f"s{i}", "name": "S", "type": "uint8", "elements": [1]} for i in range(2345)]}
        self.ok("apply", self.file(policy))
        answer = self.ok("-j", "get", "sets").json
        self.assertEqual([s["key"] for s in answer["items"]], [f"s{i}" for i in range(2345)])
        self.assertEqual((answer["total"], answer["next_cursor"]), (2345, None))
        self.assertEqual(len(self.ok("get", "sets").out.splitlines()), 2346)

    def test_filters(self):
        lines = self.ok("filters").out.splitlines()
        self.assertEqual(lines[0].split()[:6], ["LAYER", "SUBLAYER", "WEIGHT", "FILTER", "ACTION", "PACKETS"])
        self.assertEqual([line.split()[4] for line in lines[1:]], ["no-telnet", "web", "rest"])
        self.assertRegex(lines[2], r"^inbound_transport_v4 +edge \(40000\) +\d+  web +permit \(hard\) +0 +0  never +Web$")
        self.assertEqual(len(self.ok("filters", "--action", "block").out.splitlines()), 2)
        self.assertEqual(len(self.ok("filters", "--sublayer", "universal").out.splitlines()), 2)
        self.assertEqual(self.ok("filters", "--layer", "ipforward_v4").out, "no filters\n")
        self.assertEqual(self.ok("filters", "--hit").out, "no filters\n")
        self.assertIn("stats", self.ok("filters", "-j").json["items"][0])

    def explained(self, *arguments, **more):
        text = self.ok("explain", *arguments, **more).out
        return text, text.splitlines()[-1]

    def test_explain_packet(self):
        frame = bytes(Ether(dst=MAC) / IP(src="198.51.100.7", dst="192.0.2.1") / TCP(sport=4000, dport=23))
        text, verdict = self.explained("--packet", frame.hex(), "--direction", "inbound")
        self.assertRegex(verdict, r"^verdict: block \(filter\) at inbound_transport_v4 by filter no-telnet of "
                                  r"sublayer edge; revision \d+$")
        self.assertIn("\n    [x] no-telnet: block, decided -> block, hard\n", text)
        self.assertIn("\n    [ ] web: permit\n        ip_local_port is 23; wanted equal 80 or range [8000,8099]; "
                      "1 of 1 fields fail\n", text)
        spaced = " ".join(f"{byte:02X}" for byte in frame) + "\n"
        self.assertEqual(self.explained("-p", "-", "-d", "in", stdin=spaced)[0], text)
        self.assertEqual(self.explained("-p", frame.hex(":"), "-d", "out")[1].split(";")[0], "verdict: permit")
        self.assertIn("outbound_ippacket_v4: permit", self.explained("-p", frame.hex(), "-d", "out", "-a")[0])
        self.assertEqual(self.ok("-j", "explain", "-p", frame.hex(), "-d", "in").json["filter"], "no-telnet")
        self.assertEqual(self.explained("-p", frame.hex(), "-d", "in", "--flow", "reply")[1], verdict)
        self.fails(1, "/flow: flow is not", "explain", "-p", frame.hex(), "-d", "in", "--flow", "half")
        self.fails(2, "--flow go with a packet", "explain", "--layer", "inbound_transport_v4", "--flow", "new")
        self.fails(1, "hexadecimal", "explain", "-p", "xyz", "-d", "in")
        self.fails(1, 'there is no link "lan"', "explain", "-p", frame.hex(), "-d", "in", "--link", "lan")

    def test_explain_capture(self):
        path = os.path.join(self.folder, "trace.pcap")
        wrpcap(path, [Ether(dst=MAC) / IP(dst="192.0.2.1") / UDP(), Ether(dst=MAC) / IP(dst="192.0.2.1") / TCP(dport=23)])
        self.assertEqual(self.explained("--pcap", path, "-d", "in")[1].split(";")[0], "verdict: permit")
        self.assertIn("by filter no-telnet", self.explained("--pcap", path, "-n", "2", "-d", "in")[1])
        self.fails(2, "has 2 packets; there is no packet 3", "explain", "--pcap", path, "-n", "3", "-d", "in")
        wrpcap(path, [IP(dst="192.0.2.1") / UDP()], linktype=101)
        self.fails(2, "only Ethernet can be explained", "explain", "--pcap", path, "-d", "in")
        self.fails(2, "sluicectl: ", "explain", "--pcap", self.file("no capture at all, not even nearly"), "-d", "in")

    def test_explain_layer(self):
        values = '{"ip_protocol": 6, "ip_local_port": 23}'
        text, verdict = self.explained("--layer", "inbound_transport_v4", "--values", values)
        self.assertIn("by filter no-telnet", verdict)
        self.assertEqual(
            self.explained("--layer", "inbound_transport_v4", "--values", "@" + self.file(values))[0], text)
        self.assertIn("ip_local_port is EMPTY", self.explained("--layer", "inbound_transport_v4")[0])
        self.fails(1, ["/values/nope: ", "/values/ip_local_port: "], "explain", "--layer", "inbound_transport_v4",
                   "--values", '{"nope": 1, "ip_local_port": "x"}')

    def test_plugins(self):
        text = self.ok("plugins").out
        self.assertIn("\nreset 1.0: loaded\n  blocks and tells the sender", "\n" + text)
        self.assertEqual([p["key"] for p in self.ok("-j", "plugins").json["items"]], ["consult", "count", "quota", "ratelimit", "reset"])
        self.ok("plugins", "unload", "count")
        self.assertIn("count 1.0: unloaded", self.ok("plugins").out)
        self.fails(1, "(plugin_not_found)", "plugins", "unload", "count")
        link = os.path.join(self.folder, "link.so")
        os.symlink(BUILD.resolve() / "callouts/count.so", link)
        self.fails(1, ["a symbolic link", "(plugin_refused)"], "plugins", "load", link)
        self.fails(1, "cannot be opened: No such file", "plugins", "load", "nowhere.so", cwd=self.folder)
        self.assertIn("count 1.0: loaded", self.ok("plugins", "load", "callouts/count.so", cwd=BUILD).out)

    def test_mode(self):
        self.assertEqual(self.ok("mode").out, "inline\n")
        self.assertEqual(self.ok("mode", "monitor").out, "monitor\n")
        self.fails(1, "/mode: mode is not one of", "mode", "off")
        self.assertEqual(self.ok("mode", "-j", "inline").json["mode"], "inline")

    def test_tables(self):
        self.assertRegex(self.ok("layers").out, r"(?m)^inbound_transport_v4 +working +3 +\d+ +\d+ +\d+$")
        self.assertRegex(self.ok("layers").out, r"(?m)^stream_v4 +not_supported +0 ")
        layer = self.ok("layers", "inbound_transport_v4").out
        self.assertIn("inbound_transport_v4: working, ", layer)
        self.assertRegex(layer, r"(?m)^ip_remote_port +uint16 +5$")
        for fact in ("structure             tables", r"reason                all boxes fit into \d+ bytes of tables, \d+ look-ups a packet",
                     r"expected ns           \d+", r"trees                 \d+", "tombstones            0", r"build ms              \d+\.\d\d"):
            self.assertRegex(layer, f"(?m)^  {fact}$")
        self.fails(1, "(layer_not_found)", "layers", "nowhere")
        self.assertRegex(self.ok("ports").out, r"(?m)^wan\.inside +vdev:net_null0,no-rx=1 +up +[0-9a-f:]{17} +1500 ")
        self.assertRegex(self.ok("links").out, r"(?m)^wan +up +inbound +0 +0 +0 +0 +0$")
        self.assertRegex(self.ok("stats").out, r"(?m)^ +0 +\d+  yes +adaptive +\d+ ")
        for command in ("layers", "ports", "links", "stats"):
            self.assertIsInstance(self.ok("-j", command).json, dict)

    def test_full_disk(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            run = subprocess.run([str(BUILD / "sluicectl"), "-s", self.socket, "layers"], stdout=full,
                                 stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(run.returncode, 2)
        self.assertIn("standard output: No space left on device", run.stderr)


class Events(Case):
    """Events of a daemon that reads its packets from a capture, before it has a policy."""

    def test_events(self):
        with tempfile.TemporaryDirectory(prefix="sluice-ctl-") as folder:
            capture = os.path.join(folder, "in.pcap")
            wrpcap(capture, [Ether(dst=MAC) / IP(src="198.51.100.7", dst="192.0.2.1") / TCP(sport=4000 + i, dport=23)
                             for i in range(30)] + [Ether(dst=MAC, type=0x1234) / (b"x" * 50)])
            link = {"name": "wan", "inside": "vdev:net_null0,no-rx=1",
                    "outside": f"pcap:rx={capture},tx={folder}/out.pcap"}
            policy = {"filters": [{"key": "none", "name": "None", "layer": "inbound_mac_frame_ethernet",
                                   "action": "block"}]}
            with Daemon(BUILD, policy=policy, config={"links": [link]}) as daemon:
                self.socket = daemon.socket
                deadline = time.monotonic() + 20
                while len(self.ok("-j", "events", "--since", "0").out.splitlines()) < 31:
                    self.assertLess(time.monotonic(), deadline, self.ok("stats").out)
                    time.sleep(0.1)
                self.check()

    def check(self):
        events = [json.loads(line) for line in self.ok("-j", "events", "--since", "0").out.splitlines()]
        self.assertEqual([e["id"] for e in events], list(range(1, 32)))
        lines = self.ok("events").out.splitlines()
        self.assertEqual(len(lines), 20)
        self.assertRegex(lines[0], r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d wan inbound \w+  198\.51\.100\.7 4011 > "
                                   r"192\.0\.2\.1 23 tcp S  \w+")
        self.assertIn("ethertype 0x1234", lines[-1])
        self.assertEqual(len(self.ok("events", "-n", "3").out.splitlines()), 3)
        self.assertEqual(self.ok("events", "--since", "31").out, "")
        self.assertEqual(self.ok("events", "--since", "0", "--filter", "nobody").out, "")
        self.assertEqual(len(self.ok("events", "--since", "29", "--type", events[-1]["type"]).out.splitlines()), 2)


class Flows(Case):
    """Flows of a daemon that reads its packets from a capture."""

    def test_flows(self):
        ip = Ether(dst=MAC) / IP(src="198.51.100.7", dst="192.0.2.1")
        packets = [ip / TCP(sport=4000 + i, dport=80, flags="S") for i in range(130)]
        packets += [ip / UDP(sport=53, dport=5353), ip / ICMP(type=8, id=9),
                    Ether(dst=MAC) / IPv6(src="2001:db8::7", dst="2001:db8::1") / TCP(sport=1, dport=443, flags="S")]
        with tempfile.TemporaryDirectory(prefix="sluice-ctl-") as folder:
            capture = os.path.join(folder, "in.pcap")
            wrpcap(capture, packets)
            link = {"name": "wan", "inside": "vdev:net_null0,no-rx=1",
                    "outside": f"pcap:rx={capture},tx={folder}/out.pcap"}
            policy = {"filters": [{"key": "web", "name": "Web", "layer": "ale_auth_recv_accept_v4", "action": "permit",
                                   "conditions": [{"field": "ip_local_port", "match": "equal", "value": 80}]}]}
            config = {"links": [link], "flows": {"timeouts": {"tcp_syn": 600, "udp": 600, "icmp": 600}}}
            with Daemon(BUILD, policy=policy, config=config) as daemon:
                self.socket = daemon.socket
                deadline = time.monotonic() + 20
                while self.ok("-j", "flows", "stats").json["flows"] < len(packets):
                    self.assertLess(time.monotonic(), deadline, self.ok("stats").out)
                    time.sleep(0.1)
                self.check_lists()
                self.check_mistakes()
                self.check_watch()
                self.check_kills()

    def check_lists(self):
        lines = self.ok("flows").out.splitlines()
        self.assertRegex(lines[0], r"^ *ID +PROTO +LOCAL +REMOTE +STATE +DIR +PACKETS OUT/IN +BYTES OUT/IN +AGE +IDLE +FILTER")
        self.assertEqual(len(lines), 102)
        self.assertEqual(lines[-1], "there may be more: -n tells how many to show")
        self.assertEqual(len(self.ok("flows", "-n", "5").out.splitlines()), 7)
        self.assertEqual(len(self.ok("flows", "-n", "1000").out.splitlines()), 134)
        self.assertEqual(len(self.ok("flows", "-n", "1000", "-j").json["items"]), 133)
        web = self.ok("flows", "--filter", "web", "--remote-port", "4007").out.splitlines()
        self.assertEqual(len(web), 2)
        self.assertRegex(web[1], r"^ *\d+ +tcp +192\.0\.2\.1:80 +198\.51\.100\.7:4007 +syn_sent +in +0/1 +0/\d+ +\d[\dms.]+ "
                                 r"+\d[\dms.]+ +web$")
        self.assertRegex(self.ok("flows", "--ip-version", "6").out, r" \[2001:db8::1\]:443 +\[2001:db8::7\]:1 +syn_sent ")
        self.assertRegex(self.ok("flows", "--protocol", "udp").out, r" udp +192\.0\.2\.1:5353 +198\.51\.100\.7:53 +new +in ")
        self.assertRegex(self.ok("flows", "--class", "icmp").out, r" icmp +192\.0\.2\.1 +198\.51\.100\.7 +new ")
        self.assertEqual(self.ok("flows", "--direction", "outbound").out, "no flows\n")
        self.assertEqual(self.ok("flows", "--pended").out, "no flows\n")
        for stats in ("133 flows of 262144", "\n0 flows wait for callouts\n", "\ntcp_syn +131\n", "\ninbound +133\n", "\n  revoked +0\n"):
            self.assertRegex(self.ok("flows", "stats").out, stats)

    def check_mistakes(self):
        self.fails(1, "an address or a prefix", "flows", "--local", "x")
        self.fails(1, 'there is no filter "nobody"', "flows", "--filter", "nobody")
        self.fails(1, "there is no flow", "flows", "show", "1x")
        self.fails(1, "there is no flow", "flows", "kill", "18446744073709551615")
        self.fails(2, "flows kill takes ids, or filters, or --all", "flows", "kill")
        self.fails(2, "flows kill takes ids, or filters, or --all", "flows", "kill", "1", "--all")
        self.fails(2, "flows kill takes ids, or filters, or --all", "flows", "kill", "--port", "1", "--all")
        self.fails(2, "--all goes with kill", "flows", "--all")
        self.fails(2, "takes the id of one flow", "flows", "show")
        self.fails(2, "takes no arguments", "flows", "stats", "1")
        self.fails(2, "takes nothing, on or off", "flows", "events", "maybe")
        self.fails(2, "not list", "flows", "list")
        self.fails(2, "the number of flows is 1 or more", "flows", "-n", "0")
        for interval in ("0", "0.09", "3601", "2s", "-1", "nan", ""):
            self.fails(2, "the interval is 0.1 to 3600 seconds", "flows", f"--watch={interval}")
        self.fails(2, "the interval is 0.1 to 3600 seconds", "flows", "--watch", "3601")
        self.fails(2, "--watch goes with the list", "flows", "--watch", "stats")
        self.fails(2, "--watch goes with the list", "flows", "kill", "--all", "-w")
        self.fails(2, "not 5", "flows", "5")
        self.fails(3, "no.sock", "-s", "/nonexistent/no.sock", "flows", "--watch")

    def check_watch(self):
        command = [str(BUILD / "sluicectl"), "-s", str(self.socket), "flows", "--protocol", "udp", "--watch", "0.1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            rounds = [[process.stdout.readline().rstrip() for _ in range(4)] for _ in range(3)]
            process.send_signal(signal.SIGINT)
        self.assertEqual(process.returncode, -signal.SIGINT)
        self.assertEqual(rounds[0][0], "133 of 262144 flows, 0 wait for callouts")
        for i, (total, titles, flow, empty) in enumerate(rounds):
            self.assertTrue(i == 0 or total == "133 of 262144 flows, 0 wait for callouts; 0 opened and 0 ended since", total)
            self.assertRegex(titles, r"^ *ID +PROTO ")
            self.assertRegex(flow, r" udp +192\.0\.2\.1:5353 ")
            self.assertEqual(empty, "")

    def check_kills(self):
        ids = [flow["id"] for flow in self.ok("-j", "flows", "--port", "80", "-n", "2").json["items"]]
        shown = self.ok("flows", "show", ids[0]).out
        self.assertIn(f"flow {ids[0]}\n  direction      inbound\n", shown)
        self.assertRegex(shown, r"\n  packets        0 out, 1 in\n")
        self.assertEqual(self.ok("-j", "flows", "show", ids[0]).json["filter"], "web")
        self.assertEqual(self.ok("flows", "kill", *ids).out, f"flow {ids[0]} is ended\nflow {ids[1]} is ended\n")
        self.fails(1, "has been ended", "flows", "kill", ids[0])
        self.assertRegex(self.ok("flows", "show", ids[0]).out, r"\n  revoked        yes\n")
        self.assertEqual(self.ok("flows", "events").out, "off\n")
        self.assertEqual(self.ok("flows", "events", "on").out, "on\n")
        self.assertEqual(self.ok("flows", "kill", "--protocol", "udp").out, "1 flow is ended\n")
        self.assertEqual(self.ok("-j", "flows", "kill", "--all").json, {"killed": 130})
        deadline = time.monotonic() + 10
        while len(self.ok("events", "--since", "0", "--type", "flow_closed").out.splitlines()) < 131:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        self.assertRegex(self.ok("events", "-n", "1").out, r"  flow \d+ opened inbound: 0/1 packets, 0/\d+ bytes out/in, "
                                                           r"\d+\.\d s, admin")


class Canned(http.server.BaseHTTPRequestHandler):
    """Answers each path with what the test put there: a list of (status, body), the last one for ever."""

    def do_GET(self):  # noqa: N802
        path = self.path.split("?")[0]
        self.server.asked.append(self.path)
        answers = self.server.answers[path]
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # a client that was interrupted
            self.wfile.write(body)

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class WithCanned(Case):
    """What a real daemon seldom or never answers."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="sluice-ctl-")
        self.socket = os.path.join(self.folder.name, "api.sock")
        self.server = Server(self.socket, Canned)
        self.server.answers, self.server.asked = {}, []
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def test_refusal_without_explanation(self):
        for body in (b"", b"<html>no</html>", b"[1]"):
            self.server.answers["/v1/stats"] = [(500, body)]
            self.fails(1, "the daemon answered with HTTP status 500 and no explanation", "stats")
        self.assertEqual(self.ctl("-j", "stats").out, "[1]\n")

    def test_not_ready(self):
        self.server.answers["/v1/engine"] = [(200, {"version": "9", "state": "starting", "mode": "inline"})]
        self.server.answers["/v1/ready"] = [(503, {"ready": False, "workers_current": 1, "workers": 2,
                                                   "revision": "4"})]
        run = self.ctl("status")
        self.assertEqual((run.status, run.err), (1, ""))
        self.assertIn("policy    revision 4, in force on 1 of 2 workers", run.out)
        run = self.ctl("-j", "status")
        self.assertEqual((run.status, run.json["ready"]["ready"]), (1, False))

    def test_texts_cannot_drive_the_terminal(self):
        self.server.answers["/v1/providers"] = [(200, {"next_cursor": None, "items": [
            {"key": "a", "name": "\u001b]0;owned\u0007\u009b31m\r\n\t\u007fé漢"}]})]
        self.assertEqual(self.ok("get", "providers").out.splitlines()[1], "a    ?]0;owned??31m????é漢  -")

    def test_shapes(self):
        """Whatever shape the answer has, nothing worse happens than a poor table."""
        for body in ({}, [], 7, None, "x", {"items": 3}, {"items": [1, None, {}]}, {"items": [{"stats": [], "flags": 1}]}):
            for path in ("stats", "ports", "links", "plugins", "layers", "filters", "sublayers", "events", "engine",
                         "ready", "version", "layers/x"):
                self.server.answers["/v1/" + path] = [(200, body)]
            for command in (["stats"], ["ports"], ["links"], ["plugins"], ["layers"], ["filters"], ["status"],
                            ["events"], ["version"], ["layers", "x"], ["mode"], ["get", "filters"]):
                self.assertEqual(self.ctl(*command).status, 0, f"{command}: {body}")

    def test_pended(self):
        """A flow that waits is not called established, whatever its packets looked like."""
        flow = {"id": "7", "direction": "outbound", "protocol": 6, "local": "10.0.0.1", "local_port": 1, "remote": "10.0.0.2",
                "remote_port": 80, "tcp_state": "syn_sent", "pended": True, "revoked": False, "expires_in_s": None,
                "packets": {"outbound": 1, "inbound": 0}, "bytes": {"outbound": 60, "inbound": 0}, "age_s": 1, "idle_s": 1,
                "filter": None}
        stats = {"flows": 3, "max": 9, "counters": {"opened": {"outbound": 5, "inbound": 1}, "ended": {"fin": 2},
                 "pend": {"pended": 10, "waiting": 3, "completed": 6, "timeouts": 1, "refused": 0, "late": 0}}}
        later = json.loads(json.dumps(stats).replace('"outbound": 5', '"outbound": 9').replace('"fin": 2', '"fin": 3'))
        self.server.answers["/v1/flows"] = [(200, {"items": [flow], "next_cursor": None})]
        self.server.answers["/v1/flows/7"] = [(200, flow)]
        self.server.answers["/v1/flows/stats"] = [(200, stats)]
        self.assertRegex(self.ok("flows", "--pended").out, r" tcp +10\.0\.0\.1:1 +10\.0\.0\.2:80 +pended +out ")
        self.assertEqual(self.server.asked[-1], "/v1/flows?pended=1&limit=100")
        shown = self.ok("flows", "show", "7").out
        self.assertIn("  pended         yes\n", shown)
        self.assertNotIn("expires", shown)
        shown = self.ok("flows", "stats").out
        self.assertIn("3 flows wait for callouts\n", shown)
        self.assertRegex(shown, r"\nPENDED +FLOWS\npended +10\nwaiting +3\ncompleted +6\ntimeouts +1\n\n")
        self.server.answers["/v1/flows/stats"] = [(200, stats), (200, later), (500, b"")]
        run = self.ctl("flows", "-w0.1")
        self.assertEqual(run.status, 1)
        self.assertEqual(run.out.splitlines()[0], "3 of 9 flows, 3 wait for callouts")
        self.assertEqual(run.out.splitlines()[4], "3 of 9 flows, 3 wait for callouts; 4 opened and 1 ended since")
        self.server.answers["/v1/flows/stats"] = [(200, stats), (500, b"{}")]
        run = self.ctl("-j", "flows", "-w0.1")
        first = json.loads(run.out.splitlines()[0])
        self.assertEqual((first["stats"]["max"], first["items"][0]["pended"]), (9, True))

    def test_follow(self):
        def page(ids, **more):
            return 200, {"items": [{"id": i, "time": "2026-01-02T03:04:05.000006Z", "link": "wan", "reason": "filter",
                                    "direction": "inbound", "type": "classify_drop"} for i in ids],
                         "next_since": ids[-1] if ids else more.pop("since", 0), "first": 1, "last": 9,
                         "lost": 0, "gap": False, **more}

        self.server.answers["/v1/events"] = [page([], last=5), page([4, 5]), page([], since=5),
                                             page([9], first=8, gap=True), page([], since=9)]
        with subprocess.Popen([str(BUILD / "sluicectl"), "-s", self.socket, "events", "-f", "-n", "2"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            lines = [process.stdout.readline() for _ in range(3)]
            process.send_signal(signal.SIGINT)
            err = process.stderr.read()
        self.assertEqual(process.returncode, -signal.SIGINT)
        self.assertTrue(all(line.startswith("2026-01-02 03:04:05 wan inbound classify_drop") for line in lines))
        self.assertEqual(err, "sluicectl: events 6 to 7 are no longer kept\n")
        asked = [path.split("since=")[1].split("&")[0] for path in self.server.asked]
        self.assertEqual(asked[1:4], ["3", "5", "5"])


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=1)
