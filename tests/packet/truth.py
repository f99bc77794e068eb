#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compares the parser's metadata with tshark's, cell by cell.

usage: truth.py REPLAY [CAPTURES]

REPLAY is sluice-replay; CAPTURES (or $SLUICE_CAPTURES) is a folder with files/ (captures) and truth/ (one
.pkts.tsv a capture, one row a packet, made with tshark: its README says which columns).  Prints
each difference and the exceptions that were used; exit status 1 when there are differences, 77 when there
is no such folder.
"""
import collections
import csv
import ipaddress
import json
import os
import pathlib
import subprocess
import sys
import tempfile

# Names of IPv6 extension headers in the truth, by next-header number.
EXTENSIONS = {0: "HBH", 43: "RH", 44: "FH", 51: "AH", 60: "DO", 135: "MH", 139: "HIP", 140: "SHIM6"}

# Everything is inbound: no packet comes from here.
INSIDE = "255.255.255.255/32"

# What tshark dissects behind a link-layer tunnel and the parser only marks.
LINK_TUNNELS = {"mpls", "pppoes", "pppoed", "nsh", "ieee8021ah", "cmd"}

# The bits of loose and strict source routes in ip_options.
SOURCE_ROUTES = 0x18

# Link types that the replay tool refuses: NULL, FDDI, Marvell DSA.
REFUSED_LINKS = {"0", "10", "285"}


def outer_layers(row):
    """The protocols up to the first IP header, and all."""
    layers = row["layers"].split(":")
    first = next((i for i, name in enumerate(layers) if name in ("ip", "ipv6")), len(layers))
    return layers[:first], layers


def number(text):
    return int(text, 0) if text else None


def address(text):
    return str(ipaddress.ip_address(text)) if text else None


def expected(row):
    """The members of a metadata line that a row of the truth asks for; None: the member is absent."""
    is_v6 = row["ver"] == "6"
    extensions = row["ext"].split("+") if is_v6 and row["ext"] else None
    cells = {
        "ip_version": number(row["ver"]),
        "ip_src": address(row["src"]),
        "ip_dst": address(row["dst"]),
        "ip_protocol": number(row["proto"]),
        "ip_ttl": number(row["ttl"]),
        "ip_length": number(row["iplen"]),
        "ip_id": number(row["id"]),
        "more_fragments": None if row["mf"] == "" else row["mf"] == "1",
        "frag_offset": number(row["fragoff"]),
        "ip6_ext": extensions,
        "src_port": number(row["sport"]),
        "dst_port": number(row["dport"]),
        "icmp_type": number(row["icmp_type"]),
        "icmp_code": number(row["icmp_code"]),
        "tcp_flags": number(row["tcp_flags"]),
        "vlan": [int(vid) for vid in row["vlans"].split(",")] if row["vlans"] else None,
        "emb_remote": address(row["emb_dst"]),
        "emb_protocol": number(row["emb_proto"]),
        "emb_local_port": number(row["emb_sport"]),
        "emb_remote_port": number(row["emb_dport"]),
    }
    if is_v6 and cells["ip_length"] is not None:
        cells["ip_length"] += 40
    if row["tcp_paylen"]:
        cells["payload_length"] = number(row["tcp_paylen"])
    return cells


def except_link_tunnel(row, line, cells):
    before, _ = outer_layers(row)
    if LINK_TUNNELS.isdisjoint(before):
        return None
    for name in list(cells):
        if name != "vlan":
            cells[name] = None
    return "behind a link-layer tunnel: marked by its ether_type, not entered"


def except_offloaded(row, line, cells):
    reason = line.get("malformed")
    if reason == "ip4_bad_total_length" and line["ip_length"] == 0:
        cells["ip_length"] = 0
        return "IPv4 total length 0: tshark takes the frame's"
    if line.get("ip_length", 0) > 65575 and row["iplen"] == "0":
        cells["ip_length"] = line["ip_length"]
        return "jumbogram: tshark shows the header's payload length, which is 0"
    return None


def except_total_length(row, line, cells):
    if line.get("malformed") != "ip4_bad_total_length" or number(row["iplen"]) >= number(row["hlen"]):
        return None
    for name in list(cells):
        if cells[name] is None:
            cells[name] = line.get(name)
    return "IPv4 total length under the header's: tshark stops there"


def except_embedded_chain(row, line, cells):
    if number(row["emb_proto"]) not in EXTENSIONS or "emb_remote" not in line:
        return None
    if row["emb_src"] and ":" not in row["emb_src"]:
        return None
    cells["emb_protocol"] = None
    return "embedded chain is cut: its last next-header is unknown"


def except_source_route(row, line, cells):
    if not line.get("ip_options", 0) & SOURCE_ROUTES or line["ip_dst"] == cells["ip_dst"]:
        return None
    cells["ip_dst"] = line["ip_dst"]
    return "source route: tshark shows its end, the parser the header's destination"


EXCEPTIONS = [
    except_link_tunnel,
    except_offloaded,
    except_total_length,
    except_embedded_chain,
    except_source_route,
]


def fault_for_us_alone(row, line):
    """The text of a fault that tshark should have seen as well, or None."""
    reason = line.get("malformed")
    if reason is None or row["malformed"]:
        return None
    if reason == "ip4_bad_checksum" and row["ip_ck"] == "bad":
        return None
    if reason == "ip4_bad_total_length" and (row["ip_ck"] == "bad" or number(row["iplen"]) < 20):
        return None
    # RFC 791, RFC 8200 4.5: tshark does not look at the length of fragments.
    if reason == "ip6_bad_fragment" and row["mf"] == "1" and number(row["iplen"]) % 8:
        return None
    if reason == "ip4_bad_fragment" and row["mf"] == "1":
        return None if (number(row["iplen"]) - number(row["hlen"])) % 8 else reason
    return reason


class Report:
    def __init__(self):
        self.packets = self.cells = self.hints = 0
        self.differences = []
        self.exceptions = collections.Counter()

    def compare(self, where, row, line):
        cells = expected(row)
        for rule in EXCEPTIONS:
            used = rule(row, line, cells)
            if used:
                self.exceptions[used] += 1
        line = dict(line)
        if "ip6_ext" in line:
            line["ip6_ext"] = [EXTENSIONS[n] for n in line["ip6_ext"]]
        found = [
            f"{where}: {name}: {line.get(name)} instead of {want}"
            for name, want in cells.items()
            if line.get(name) != want
        ]
        if not line.get("malformed") and row["ip_ck"] == "bad" and "ip_version" in line:
            found.append(f"{where}: wrong IPv4 checksum accepted")
        if row["malformed"] and found:
            # What is malformed for tshark is a hint only, at whatever layer it is.
            self.hints += 1
            return
        alone = fault_for_us_alone(row, line)
        if alone:
            found.append(f"{where}: malformed for us alone: {alone}")
        self.packets += 1
        self.cells += len(cells)
        self.differences += found

    def print(self):
        for text in self.differences:
            print(text)
        for text, n in sorted(self.exceptions.items()):
            print(f"exception, {n} packets: {text}")
        print(f"{self.hints} packets that tshark calls malformed differ: hints only")
        print(f"{self.packets} packets, {self.cells} cells, {len(self.differences)} differences")
        return 1 if self.differences or self.packets == 0 else 0


def replay(program, capture, folder):
    """The metadata lines of a capture; None when the link type is refused."""
    policy = folder / "policy.json"
    policy.write_text("{}")
    out = folder / "metadata.json"
    run = subprocess.run(
        [program, "--policy", policy, "--inside", INSIDE, "--in", capture, "--metadata", out],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if run.returncode == 2 and "link type" in run.stderr:
        return None
    if run.returncode != 0:
        raise SystemExit(f"{capture}: exit status {run.returncode}: {run.stderr.strip()}")
    return [json.loads(text) for text in out.read_text().splitlines()]


def read_truth(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def link_types(captures):
    with (captures / "INDEX.tsv").open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["file"]: row["linktype"] for row in rows}


def compare_folder(program, captures, report):
    links = link_types(captures)
    for truth in sorted((captures / "truth").rglob("*.pkts.tsv")):
        name = str(truth.relative_to(captures / "truth"))[: -len(".pkts.tsv")]
        capture = next((captures / "files").glob(name + ".pcap*"))
        with tempfile.TemporaryDirectory() as folder:
            lines = replay(program, capture, pathlib.Path(folder))
        link = links.get(str(capture.relative_to(captures / "files")))
        if lines is None:
            if link not in REFUSED_LINKS:
                report.differences.append(f"{name}: link type {link} is refused")
            report.exceptions["captures of a link type that is refused"] += 1
            continue
        rows = read_truth(truth)
        if len(rows) != len(lines):
            report.differences.append(f"{name}: {len(lines)} lines for {len(rows)} packets")
        for row, line in zip(rows, lines):
            report.compare(f"{name}:{row['no']}", row, line)


def main():
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    captures = sys.argv[2] if len(sys.argv) == 3 else os.environ.get("SLUICE_CAPTURES")
    if not captures or not pathlib.Path(captures, "truth").is_dir():
        print("no folder of captures with truth: skipped")
        return 77
    report = Report()
    compare_folder(sys.argv[1], pathlib.Path(captures), report)
    return report.print()


if __name__ == "__main__":
    sys.exit(main())
