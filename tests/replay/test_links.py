#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Capture formats, link types, records that were cut short, and one capture a port."""
from base import *
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP

FILTERS = [
    filter_of("dns", "inbound_transport_v4", "block", ("ip_local_port", "equal", 53)),
    filter_of("dns6", "inbound_transport_v6", "block", ("ip_local_port", "equal", 53)),
    filter_of("frames", "inbound_mac_frame_ethernet", "block"),
]


def sll(ethertype, payload):
    return struct.pack(">HHH8sH", 0, 1, 6, bytes(8), ethertype) + bytes(payload)


def sll2(ethertype, payload):
    return struct.pack(">HHIHBB8s", ethertype, 0, 2, 1, 0, 6, bytes(8)) + bytes(payload)


def v4(port):
    return IP(src=HOST_OUT, dst=HOST_IN) / UDP(dport=port)


def v6(port):
    return IPv6(src=HOST_OUT6, dst=HOST_IN6) / UDP(dport=port)


class LinkTypes(ReplayTest):
    def test_raw(self):
        packets = [v4(53), v4(54), v6(53), v6(54), b"\x20" + b"x" * 40]
        for linktype in (12, 101):
            got = self.judge(FILTERS, packets, linktype=linktype)
            self.assertEqual(got[:4], ["dns", "permit", "dns6", "permit"])
            self.assertIn("bad_version", got[4])
        self.assertEqual(self.judge(FILTERS, packets[:2], linktype=228), ["dns", "permit"])
        self.assertEqual(self.judge(FILTERS, packets[2:4], linktype=229), ["dns6", "permit"])

    def test_cooked(self):
        arp = ARP(psrc=HOST_IN, pdst=HOST_OUT)
        for linktype, cook in ((SLL, sll), (SLL2, sll2)):
            packets = [
                cook(0x800, v4(53)), cook(0x800, v4(54)), cook(0x86DD, v6(53)), cook(0x806, arp),
                cook(0x88CC, b"\0\0"), cook(0x800, v4(53))[:12],
            ]  # fmt: skip
            answer = self.replay({"filters": FILTERS}, packets, linktype=linktype)
            self.assertEqual(answer.short[:5], ["dns", "permit", "dns6", "permit", "permit"])
            self.assertEqual(answer.verdicts[5]["verdict"], "block")
            self.assertEqual(answer.verdicts[3]["direction"], "outbound")
            written, records = answer.permitted
            self.assertEqual(written, linktype)
            self.assertEqual([data for _, data in records], [packets[i] for i in (1, 3, 4)])

    def test_others_are_refused_by_name(self):
        for linktype, name in ((0, "NULL"), (108, "LOOP"), (105, "IEEE802_11"), (147, "147")):
            path = self.folder / "in.pcap"
            write_pcap(path, [], linktype=linktype)
            answer = self.run_tool(
                "--policy", self.write_policy({}), "--inside", INSIDE, "--in", path
            )
            self.assertEqual(answer.code, 2)
            self.assertIn(str(path), answer.stderr)
            self.assertIn(name, answer.stderr)
            self.assertIn("not supported", answer.stderr)


class Formats(ReplayTest):
    def test_nanoseconds_are_kept(self):
        packets = [to_inside(UDP(dport=54)), to_inside(UDP(dport=53))]
        filters = FILTERS[:2]
        answer = self.replay({"filters": filters}, packets, nano=True, start=START + 7)
        self.assertEqual(answer.permitted[1], [(START + 7, bytes(packets[0]))])
        self.assertEqual(answer.verdicts[0]["time"], "2026-01-02T03:04:05.000006Z")

    def test_pcapng(self):
        packets = [to_inside(UDP(dport=54)), to_inside(UDP(dport=53)), to_outside(UDP(dport=53))]
        path = self.folder / "in.pcapng"
        write_pcapng(path, packets, start=START + 7)
        answer = self.run_tool(
            "--policy", self.write_policy({"filters": FILTERS[:2]}), "--inside", INSIDE,
            "--in", path, *self.outputs(),
        )  # fmt: skip
        self.assertEqual(answer.code, 0, answer.stderr)
        self.assertEqual(answer.short, ["permit", "dns", "permit"])
        self.assertEqual(
            answer.permitted[1],
            [(START + 7, bytes(packets[0])), (START + 2_000_007, bytes(packets[2]))],
        )

    def test_standard_input_and_output(self):
        path = self.folder / "in.pcap"
        write_pcap(path, [to_inside(UDP(dport=53))])
        with open(path, "rb") as capture:
            done = subprocess.run(
                [REPLAY, "--policy", self.write_policy({"filters": FILTERS[:1]}), "--inside", INSIDE,
                 "--in", "-", "--verdicts", "-"],
                stdin=capture, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["filter"], "dns")


class CutRecords(ReplayTest):
    def test_payload_cut(self):
        """The payload does not matter, the length on the wire does."""
        frame = bytes(to_inside(UDP(dport=54) / (b"x" * 500)))
        filters = [filter_of("long", "inbound_ippacket_v4", "block", ("x_packet_length", "greater", 500))]
        answer = self.replay({"filters": filters}, [Record(frame[:60], len(frame))])
        self.assertEqual(answer.metadata[0].get("payload_length"), 500)
        self.assertEqual(answer.short, ["long"])

    def test_headers_cut(self):
        frame = bytes(to_inside(UDP(dport=54) / (b"x" * 500)))
        for size in (0, 5, 20, 38):
            self.assertEqual(
                self.judge([], [Record(frame[:size], len(frame))]), ["header_beyond_window"], size
            )


class TwoPorts(ReplayTest):
    def test_merged_by_time(self):
        inside, outside = self.folder / "inside.pcap", self.folder / "outside.pcap"
        # The inside's clock: 0, 2, 4 ms; the outside's: 1, 2, 3 ms. The source does not matter here.
        write_pcap(inside, [to_inside(UDP(dport=i)) for i in (10, 11, 12)], step=2_000_000)
        write_pcap(
            outside, [to_inside(UDP(dport=i)) for i in (20, 53, 22)], start=START + 1_000_000
        )
        answer = self.run_tool(
            "--policy", self.write_policy({"filters": FILTERS[:2]}), "--inside-pcap", inside,
            "--outside-pcap", outside, "--burst", "32", *self.outputs(),
        )  # fmt: skip
        self.assertEqual(answer.code, 0, answer.stderr)
        self.assertEqual(
            [(v["n"], v["time"][20:23], v["direction"]) for v in answer.verdicts],
            [(1, "000", "outbound"), (2, "001", "inbound"), (3, "002", "outbound"),
             (4, "002", "inbound"), (5, "003", "inbound"), (6, "004", "outbound")],
        )  # fmt: skip
        self.assertEqual([m["dst_port"] for m in answer.metadata], [10, 20, 11, 53, 22, 12])
        self.assertEqual(answer.short, ["permit"] * 3 + ["dns"] + ["permit"] * 2)

    def test_one_port_alone(self):
        path = self.folder / "outside.pcap"
        write_pcap(path, [to_outside(UDP(dport=53))])
        answer = self.run_tool(
            "--policy", self.write_policy({"filters": FILTERS[:2]}), "--outside-pcap", path,
            *self.outputs(),
        )  # fmt: skip
        self.assertEqual(answer.short, ["dns"])

    def test_different_link_types(self):
        inside, outside = self.folder / "inside.pcap", self.folder / "outside.pcap"
        write_pcap(inside, [to_outside(UDP(dport=53))])
        write_pcap(outside, [v4(53)], linktype=RAW, start=START + 1)
        args = ["--policy", self.write_policy({"filters": FILTERS[:2]}), "--inside-pcap", inside,
                "--outside-pcap", outside]  # fmt: skip
        answer = self.run_tool(*args, "--verdicts", self.folder / "verdicts")
        self.assertEqual(answer.code, 0, answer.stderr)
        self.assertEqual(answer.short, ["permit", "dns"])
        answer = self.run_tool(*args, "--permitted", self.folder / "out.pcap")
        self.assertEqual(answer.code, 2)
        self.assertIn("different link types", answer.stderr)


if __name__ == "__main__":
    main()
