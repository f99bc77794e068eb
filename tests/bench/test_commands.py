# SPDX-License-Identifier: BSD-3-Clause
"""sluice-bench as a program: every command on tiny sets, and what it says to bad options."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

BENCH = os.environ.get("SLUICE_BENCH", "build/sluice-bench")
# What a sanitizer finds is not taken for an answer of the tool.
os.environ.setdefault("ASAN_OPTIONS", "exitcode=66")
os.environ.setdefault("UBSAN_OPTIONS", "halt_on_error=1:exitcode=66")


def run(*args):
    return subprocess.run([BENCH, *map(str, args)], capture_output=True, text=True, timeout=100, check=False)


class Bench(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.scratch.name)
        self.addCleanup(self.scratch.cleanup)

    def good(self, *args):
        result = run(*args)
        self.assertEqual(result.returncode, 0, result.stderr + result.stdout)
        return result.stdout

    def refused(self, words, *args):
        """One line on standard error, with these words, and exit status 2."""
        result = run(*args)
        self.assertEqual(result.returncode, 2, (args, result.stderr))
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn(words, result.stderr)
        self.assertEqual(result.stdout, "")

    def made(self, kind="acl", rules=60, *more):
        self.good("generate", "--kind", kind, "--rules", rules, "--headers", 400, "--out", self.folder / "set", *more)
        return self.folder / "set.rules", self.folder / "set.trace"

    def json(self, *args):
        path = self.folder / "out.json"
        self.good(*args, "--json", path)
        return json.loads(path.read_text())


class Generate(Bench):
    def test_same_twice(self):
        files = []
        for name in "a", "b":
            self.good("generate", "--kind", "fw", "--rules", 200, "--headers", 300, "--seed", 9, "--pcap", "--out", self.folder / name)
            files.append([(self.folder / f"{name}.{end}").read_bytes() for end in ("rules", "trace", "pcap")])
        self.assertEqual(files[0], files[1])
        self.assertEqual(len(files[0][0].splitlines()), 200)
        self.assertEqual(len(set(files[0][0].splitlines())), 200)
        self.assertEqual(len(files[0][1].splitlines()), 300)

    def test_folder(self):
        self.good("generate", "--kind", "ipc", "--rules", 10, "--v6", "--headers", 5, "--out", self.folder)
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["ipc_v6_10.rules", "ipc_v6_10.trace"])

    def test_frames(self):
        """Frames carry the headers of the trace, 64 bytes on the wire."""
        import logging

        logging.getLogger("scapy").setLevel(logging.CRITICAL)
        from scapy.layers.inet import IP, TCP, UDP
        from scapy.utils import rdpcap

        _, trace = self.made("acl", 60, "--pcap")
        frames = rdpcap(str(self.folder / "set.pcap"))
        lines = trace.read_text().splitlines()
        self.assertEqual(len(frames), len(lines))
        for frame, line in zip(frames, lines):
            src, dst, sport, dport, protocol = map(int, line.split())
            ip = frame[IP]
            self.assertEqual(len(frame), 60)
            text = [".".join(str(a >> s & 255) for s in (24, 16, 8, 0)) for a in (src, dst)]
            self.assertEqual([ip.src, ip.dst, ip.proto], [*text, protocol])
            given, ip.chksum = ip.chksum, None
            self.assertEqual(given, IP(bytes(ip)).chksum)
            if protocol in (6, 17):
                l4 = frame[TCP if protocol == 6 else UDP]
                self.assertEqual((l4.sport, l4.dport), (sport, dport))

    def test_bad_options(self):
        self.refused("--kind KIND, --rules N and --out PREFIX are needed", "generate")
        good = ["--kind", "acl", "--rules", "5", "--out", self.folder / "x"]
        self.refused('--kind: "nat"; allowed: acl, fw, ipc', "generate", *good, "--kind", "nat")
        self.refused('--rules: "0"; allowed: an integer from 1 to 1000000', "generate", *good, "--rules", "0")
        self.refused('--seed: "-1"', "generate", *good, "--seed", "-1")
        self.refused('--traffic: "bursts"; allowed: uniform, zipf, corner', "generate", *good, "--traffic", "bursts")
        self.refused('--misses: "101"', "generate", *good, "--misses", "101")
        self.refused("nothing but options", "generate", *good, "more")
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_no_place_to_write(self):
        result = run("generate", "--kind", "acl", "--rules", 5, "--out", self.folder / "no" / "x")
        self.assertEqual(result.returncode, 1)
        self.assertIn("x.rules: cannot write: No such file", result.stderr)


class Classify(Bench):
    def test_all_right(self):
        rules, trace = self.made("fw")
        out = self.json("classify", "--rules", rules, "--trace", trace, "--repeat", 1, "--verify")
        self.assertEqual((out["rules"], out["headers"], out["burst"]), (60, 400, 32))
        self.assertEqual([e["name"] for e in out["engines"]], ["sluice", "rte_acl", "linear"])
        for engine in out["engines"]:
            self.assertEqual(engine["mismatches"], 0, engine)
            self.assertGreater(engine["mlookups_per_s"], 0)
            self.assertGreater(engine["memory_bytes"], 0)
        self.assertIn("ratio_to_rte_acl", out["engines"][0])

    def test_every_form(self):
        rules, trace = self.made("ipc", 60, "--v6")
        for simd in "portable", "avx2", "avx512":
            path = self.folder / "out.json"
            result = run("classify", "--rules", rules, "--trace", trace, "--engines", "sluice", "--simd", simd, "--repeat", 1,
                         "--verify", "--json", path)
            if result.returncode == 2:
                self.assertIn(f"this processor does not have {simd}", result.stderr)
                continue
            self.assertEqual(result.returncode, 0, result.stderr)
            out = json.loads(path.read_text())
            self.assertEqual((out["simd"], out["engines"][0]["chosen"]), (simd, simd))

    def test_sublayers_misses_and_bursts(self):
        rules, _ = self.made("acl")
        out = self.json("classify", "--rules", rules, "--engines", "sluice,rte_acl,rte_acl:sse", "--sublayers", 3, "--misses", 50,
                        "--burst", "1,7", "--repeat", 1, "--verify")
        self.assertEqual((out["sublayers"], out["misses_percent"]), (3, 50))
        self.assertEqual([b["burst"] for b in out["bursts"]], [1, 7])
        for burst in out["bursts"]:
            self.assertEqual([e["mismatches"] for e in burst["engines"]], [0, 0, 0])
            self.assertIn("sse", burst["engines"][2]["chosen"])

    def test_default_rule_and_misses(self):
        rules, trace = self.made("acl")
        with open(rules, "a") as file:
            file.write("@0.0.0.0/0\t0.0.0.0/0\t0 : 65535\t0 : 65535\t0x00/0x00\t0x0000/0x0000\t\n")
        out = self.json("classify", "--rules", rules, "--trace", trace, "--engines", "sluice", "--misses", 50, "--repeat", 1, "--verify")
        self.assertEqual((out["rules"], out["rules_left_out"]), (60, 1))

    def test_bad_options(self):
        rules, trace = self.made()
        good = ["--rules", rules, "--trace", trace]
        self.refused("--rules FILE is needed", "classify")
        self.refused('--engines: "nmap"; allowed: sluice, linear, rte_acl', "classify", *good, "--engines", "sluice,nmap")
        self.refused('--engines: "rte_acl:mmx"', "classify", *good, "--engines", "rte_acl:mmx")
        self.refused('--burst: "257"; allowed: an integer from 1 to 256', "classify", *good, "--burst", "32,257")
        self.refused('--burst: "1,2,3,4,5,6,7,8,9"; allowed: at most 8', "classify", *good, "--burst", "1,2,3,4,5,6,7,8,9")
        self.refused('--simd: "mmx"; allowed: portable, avx2, avx512', "classify", *good, "--simd", "mmx")
        self.refused('--sublayers: "17"', "classify", *good, "--sublayers", "17")
        self.refused("x: cannot open", "classify", "--rules", self.folder / "x")
        self.refused(":1: not a ClassBench rule", "classify", "--rules", trace)
        self.refused(":1: not a ClassBench header", "classify", "--rules", rules, "--trace", rules)

    def test_too_few_rules_for_sublayers(self):
        rules, _ = self.made("acl", 3)
        self.refused("--sublayers: 4 sublayers for 3 rules", "classify", "--rules", rules, "--sublayers", 4)


class Update(Bench):
    def test_changes(self):
        rules, trace = self.made("fw")
        out = self.json("update", "--rules", rules, "--trace", trace, "--updates", 20, "--repeat", 1, "--rate", 200)
        self.assertEqual((out["rules"], out["wrong"]), (60, 0))
        self.assertEqual(out["in_force"]["updates"], 20)
        self.assertGreaterEqual(out["in_force"]["median_ms"], out["published"]["median_ms"])
        self.assertGreaterEqual(out["call"]["median_ms"], out["in_force"]["median_ms"])
        self.assertGreater(out["throughput"]["rate_achieved"], 0)
        self.assertGreater(out["throughput"]["ratio"], 0)

    def test_bad_options(self):
        rules, _ = self.made()
        self.refused("--rules FILE is needed", "update")
        self.refused('--rate: "0"; allowed: an integer from 1 to 1000000', "update", "--rules", rules, "--rate", "0")
        self.refused('--burst: "x"', "update", "--rules", rules, "--burst", "x")


class Datapath(Bench):
    def test_trace(self):
        """The appliance alone: a program that prints nothing stands in for testpmd."""
        rules, trace = self.made("fw")
        out = self.json("datapath", "--trace", trace, "--frames", 100, "--filters", rules, "--filters", f"{rules}:10", "--seconds", 1,
                        "--repeat", 1, "--testpmd", "/bin/true")
        self.assertEqual([(r["name"], r["filters"]) for r in out["results"]],
                         [("testpmd io", 0), ("testpmd macswap", 0), ("sluice, no filters", 0), ("sluice set.rules", 60),
                          ("sluice set.rules", 10)])
        for row in out["results"][2:]:
            self.assertGreater(row["mpps"], 0, row)

    def test_bad_options(self):
        rules, trace = self.made()
        self.refused("either --pcap FILE or --trace FILE", "datapath")
        self.refused("either --pcap FILE or --trace FILE", "datapath", "--pcap", "x", "--trace", "y")
        self.refused("x: No such file", "datapath", "--pcap", self.folder / "x")
        self.refused("x: cannot open", "datapath", "--trace", trace, "--filters", self.folder / "x")
        self.refused('--frames: "0"', "datapath", "--trace", trace, "--frames", "0")
        self.refused('--seconds: "61"', "datapath", "--trace", trace, "--seconds", "61")


class Flows(Bench):
    def lines(self, *args):
        out = self.json("flows", "--seconds", 1, "--repeat", 1, *args)
        return {line["name"].strip(): line for line in out["results"]}

    def test_table(self):
        lines = self.lines("--only", "table", "--flows", "10000,20000")
        self.assertEqual(len(lines), 8)
        for line in lines.values():
            self.assertGreater(line["figure"], 0, line)

    def test_new(self):
        lines = self.lines("--only", "new")
        self.assertEqual(len(lines), 2)
        for line in lines.values():
            self.assertGreater(line["figure"], 0, line)

    def test_storm(self):
        """Every verdict is right, or the program fails."""
        lines = self.lines("--only", "storm")
        self.assertGreater(lines["100,000 flows, 100 commits a second"]["figure"], 0)
        self.assertEqual(lines["wrong verdicts"]["figure"], 0)
        self.assertEqual(lines["wrong verdicts"]["ours"], "100 commits")

    def test_storm_wire(self):
        """
        Every packet is accounted for, and every verdict right, or the program fails.  On a machine that others load
        the worker may come late to a full queue, which says nothing of the program.
        """
        result = run("flows", "--seconds", 1, "--repeat", 1, "--only", "storm-wire", "--json", self.folder / "out.json")
        if result.returncode == 1 and "the worker was late" in result.stderr:
            self.assertRegex(result.stdout, r"wrong verdicts +100 commits +\d+ judged anew +0\.00")
            return
        self.assertEqual(result.returncode, 0, result.stderr + result.stdout)
        lines = {line["name"].strip(): line for line in json.loads((self.folder / "out.json").read_text())["results"]}
        lost = next(line for name, line in lines.items() if name.startswith("lost of "))
        left, dropped = (int(lost[side].split()[0]) for side in ("ours", "peer"))
        self.assertEqual(lost["figure"], 0)
        self.assertEqual(int(lost["name"].split()[2]), left + dropped)
        self.assertGreater(left, 100000)
        self.assertGreater(dropped, 0)
        self.assertEqual((lines["wrong verdicts"]["ours"], lines["wrong verdicts"]["figure"]), ("100 commits", 0))

    def test_wire(self):
        """Every flow is kept and no packet is dropped, or the program fails; nothing stands in for testpmd."""
        lines = self.lines("--only", "wire,filters", "--testpmd", "/bin/true")
        self.assertEqual(len(lines), 3, lines)
        self.assertGreater(lines["established, 10,000 filters at recv_accept"]["figure"], 0)

    def test_stall(self):
        lines = self.json("flows", "--only", "stall", "--repeat", 1)["results"]
        self.assertEqual(len(lines), 8)
        for line in lines[::4]:
            self.assertGreater(line["figure"], 0)
        for line in lines[1:4] + lines[5:]:
            ours, beside = (float(line[side].split()[0]) for side in ("ours", "peer"))
            self.assertAlmostEqual(line["figure"], ours - beside, delta=0.2)

    def test_bad_options(self):
        self.refused('--only: "walk"; allowed: table, new, stall, storm, storm-wire, wire, filters', "flows", "--only", "walk")
        self.refused('--only: "new,"', "flows", "--only", "new,")
        self.refused('--flows: "999"; allowed: an integer from 1000 to 20000000', "flows", "--flows", "1000,999")
        self.refused("--flows: ", "flows", "--flows", ",".join(["1000"] * 9))
        self.refused('--seconds: "61"', "flows", "--seconds", "61")
        self.refused("nothing but options", "flows", "more")


class Leaves(Bench):
    def test_nothing_behind(self):
        """However a run ends, the folder of EAL goes with it."""
        rules, _ = self.made()
        place = self.folder / "tmp"
        place.mkdir()
        for number in signal.SIGTERM, signal.SIGINT:
            child = subprocess.Popen([BENCH, "classify", "--rules", rules, "--repeat", "101"], stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(place)})
            # Told before the last engine is built: EAL is there.
            while "building linear" not in child.stderr.readline():
                self.assertIsNone(child.poll())
            self.assertEqual(len(list(place.glob("sluice-bench-*/dpdk"))), 1)
            child.send_signal(number)
            child.communicate(timeout=20)
            self.assertEqual(child.returncode, 128 + number)
            self.assertEqual(list(place.iterdir()), [])

    def test_no_place(self):
        rules, _ = self.made()
        result = subprocess.run([BENCH, "classify", "--rules", rules], capture_output=True, text=True, check=False,
                                env={**os.environ, "TMPDIR": str(self.folder / "no")})
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot make the folder", result.stderr)


class Usage(Bench):
    def test_help(self):
        out = self.good("--help")
        for command in "classify", "update", "generate", "datapath", "flows":
            self.assertIn(f"  {command} ", out)

    def test_no_command(self):
        for args in [], ["walk"]:
            result = run(*args)
            self.assertEqual(result.returncode, 2)
            self.assertIn("usage: sluice-bench COMMAND", result.stderr)


if __name__ == "__main__":
    unittest.main()
