#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The contract against the daemon, both ways: contract.py BUILD

Every path and method of /v1/openapi.json is asked for, with the parameters it says and with others, and every
answer of the golden run and of a link with traffic is held against its schema.  Schemas of answers are
open, so that members may be added; here they are closed, so that none is added without being written down.
"""
import copy
import json
import os
import pathlib
import re
import sys
import tempfile
import time
import urllib.parse

import jsonschema
from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6EchoRequest, IPv6, Raw, fragment, wrpcap

import golden
from daemon import Daemon

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
METHODS = ("get", "put", "post", "delete", "patch")
failures = []


def fail(text):
    if text not in failures:
        failures.append(text)
        print("not ok " + text)


def close(schema):
    """Lets objects have the members they list and no others."""
    if isinstance(schema, dict):
        if "properties" in schema and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
        for value in schema.values():
            close(value)
    elif isinstance(schema, list):
        for value in schema:
            close(value)
    return schema


class Contract:
    def __init__(self, document):
        self.document = document
        self.closed = close(copy.deepcopy(document))
        self.resolver = jsonschema.RefResolver("", self.closed)
        self.used = set()
        self.may_lack_memory = False  # then any request may be answered with no_memory
        self.patterns = [(re.compile(re.sub(r"\\\{key\\\}", "[^/]+", re.escape(path)) + "$"), path)
                         for path in document["paths"]]

    def resolve(self, node):
        while "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def operation(self, method, target):
        """(path, operation) of a request; operation is None when the contract has none."""
        url = target.split("?")[0]
        for pattern, path in self.patterns:
            if pattern.match(url):
                return path, self.closed["paths"][path].get(method.lower())
        return None, None

    def errors(self, schema, value):
        validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        return [f"{'/'.join(str(p) for p in error.absolute_path)}: {error.message[:300]}"
                for error in validator.iter_errors(value)]

    def check_answer(self, method, target, body, headers, answer):
        path, operation = self.operation("get" if method == "HEAD" else method, target)
        if operation is None:
            if answer.status not in (404, 405) and not (answer.status == 507 and self.may_lack_memory):
                fail(f"{method} {target}: not in the contract, and answered {answer.status}")
            return
        name = f"{method} {path} {answer.status}"
        response = operation["responses"].get(str(answer.status))
        if response is None:
            fail(f"{name}: a status that the contract does not have")
            return
        response = self.resolve(response)
        self.used.add((method.lower(), path, answer.status))
        for header in response.get("headers", {}):
            if header not in answer.headers and header != "Retry-After":
                fail(f"{name}: no header {header}")
        for header in ("Location", "Allow", "Retry-After", "Policy-Revision"):
            if header in answer.headers and header not in response.get("headers", {}):
                fail(f"{name}: header {header} is not in the contract")
        if method != "HEAD":
            self.check_body(name, response, answer)
        if answer.status < 300 and body is not None:
            self.check_request(name, operation, body, headers)

    def check_body(self, name, response, answer):
        kind = (answer.headers.get("Content-Type") or "").split(";")[0]
        content = response.get("content", {})
        if not content:
            if answer.body:
                fail(f"{name}: a body where the contract has none")
        elif kind not in content:
            fail(f"{name}: content type {kind!r}")
        elif "json" in kind:
            for text in self.errors(content[kind]["schema"], answer.json):
                fail(f"{name}: {text}")

    def check_request(self, name, operation, body, headers):
        kind = (headers or {}).get("Content-Type", "application/json").split(";")[0]
        content = operation.get("requestBody", {}).get("content", {})
        if kind not in content:
            fail(f"{name}: takes a body of type {kind}, which the contract does not have")
        elif "json" in kind:
            value = json.loads(body) if isinstance(body, bytes) else body
            for text in self.errors(content[kind]["schema"], value):
                fail(f"{name}: request: {text}")


class WatchedDaemon(Daemon):
    """Holds every answer against the contract."""

    contract = None

    def call(self, method, path, body=None, headers=None, timeout=60):
        answer = super().call(method, path, body, headers, timeout)
        if self.contract is not None:
            self.contract.check_answer(method, path, body, headers, answer)
        return answer


# --- The document itself. ---


def check_document(document):
    names = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if operation["operationId"] in names:
                fail(f"{method} {path}: operationId twice")
            names.add(operation["operationId"])
            declared = {p["$ref"].rsplit("/", 1)[1] for p in operation.get("parameters", [])}
            if ("{key}" in path) != ("key" in declared):
                fail(f"{method} {path}: its key is not a parameter")
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        if f'"#/components/schemas/{name}"' not in json.dumps(document):
            fail(f"schema {name} is used nowhere")
    for reference in re.findall(r'"#(/[^"]+)"', json.dumps(document)):
        node = document
        for part in reference[1:].split("/"):
            node = node.get(part, {})
        if not node:
            fail(f"{reference} leads nowhere")


def listed(path):
    return re.findall(r'^X\(\w+, "([^"]*)"', (ROOT / path).read_text(), re.M)


def check_names(document, daemon):
    """Names that the contract lists are those of the daemon, no more and no fewer."""
    schemas = document["components"]["schemas"]
    layers = daemon.call("GET", "/v1/layers").json["items"]
    fields = {field["field"] for layer in layers for field in layer["fields"]}
    pairs = [("layer_name", [layer["key"] for layer in layers]), ("reason", listed("lib/classifier/sl_reason.def")[1:]),
             ("error_code", listed("lib/base/sl_err.def")[1:]),
             ("flow_class", [name for name in daemon.call("GET", "/v1/flows/stats").json["classes"]]),
             ("flow_end", [name for name in daemon.call("GET", "/v1/flows/stats").json["counters"]["ended"]])]
    for name, wanted in pairs:
        if sorted(schemas[name]["enum"]) != sorted(wanted):
            fail(f"{name}: {sorted(set(schemas[name]['enum']) ^ set(wanted))}")
    if not fields <= set(schemas["field_name"]["enum"]):
        fail(f"field_name lacks {fields - set(schemas['field_name']['enum'])}")
    known = json.loads((ROOT / "config/policy.schema.json").read_text())["$defs"]["field"]["enum"]
    if sorted(known) != sorted(schemas["field_name"]["enum"]):
        fail("field_name is not what config/policy.schema.json has")
    if document["info"]["version"] != daemon.call("GET", "/v1/version").json["version"]:
        fail("the version of the contract is not the daemon's")


# --- Paths, methods, parameters. ---


def check_paths(contract, daemon):
    for path, operations in contract.document["paths"].items():
        target = path.replace("{key}", "a")
        allow = {method.upper() for method in operations}
        for method in METHODS:
            answer = daemon.call(method.upper(), target + "?no_such_parameter=1")
            if method not in operations:
                found = set((answer.headers.get("Allow") or "").split(", "))
                if answer.status != 405 or found != allow:
                    fail(f"{method} {path}: answered {answer.status}, Allow {found}, and the contract has {allow}")
                continue
            wanted = [p["name"] for p in map(contract.resolve, operations[method].get("parameters", [])) if p["in"] == "query"]
            text = answer.json["detail"] if answer.json else ""
            found = re.sub(r".*allowed: ", "", text).split(", ")
            if answer.status != 400 or sorted(found) != sorted(wanted or ["none"]):
                fail(f"{method} {path}: takes {found}, and the contract has {wanted} ({answer.status})")
        if daemon.call("GET", target + "/no/such/path").status != 404:
            fail(f"{path}/no/such/path is something")


def check_parameters(contract, daemon):
    """A parameter takes what its schema takes; numbers and flags take nothing else."""
    for path, operations in contract.document["paths"].items():
        for reference in operations.get("get", {}).get("parameters", []):
            parameter = contract.resolve(reference)
            schema = contract.resolve(parameter["schema"])
            if parameter["in"] != "query":
                continue
            good = schema.get("enum", [])[:3] + [schema[k] for k in ("minimum", "maximum") if k in schema]
            bad = ["x y"] if "enum" in schema or "oneOf" in schema else []
            bad += [schema["minimum"] - 1] if schema.get("minimum", 0) > 0 else []
            bad += [schema["maximum"] + 1] if "maximum" in schema else []
            for value, statuses in [(v, (200, 404)) for v in good] + [(v, (400,)) for v in bad]:
                query = urllib.parse.urlencode({parameter["name"]: value})
                answer = daemon.call("GET", f"{path.replace('{key}', 'a')}?{query}")
                if answer.status not in statuses:
                    fail(f"get {path}?{query}: answered {answer.status}")


# --- Answers. ---


def run_golden(contract, build):
    with WatchedDaemon(build) as daemon:
        daemon.contract = contract
        check_names(contract.document, daemon)
        check_paths(contract, daemon)
        check_parameters(contract, daemon)
        for file in sorted((ROOT / "tests/api/golden").glob("*.json")):
            daemon.call("PUT", "/v1/policy", {})
            for step in json.loads(file.read_text()):
                golden.run_step(daemon, step)


def write_traffic(path):
    """Packets that are blocked, every one; how many, and how many events they make: a datagram in fragments makes one."""
    eth = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    ip = IP(src="198.51.100.9", dst="10.0.0.1")
    packets = [eth / ip / TCP(sport=4000, dport=23, flags="S"), eth / ip / UDP(sport=53, dport=53) / Raw(b"x"),
               eth / ip / ICMP(), eth / IPv6(src="2001:db8::1", dst="2001:db8::2") / ICMPv6EchoRequest(),
               eth / Dot1Q(vlan=100) / ip / TCP(sport=4001, dport=23, flags="SA"), eth / ARP(psrc="198.51.100.9"),
               Ether(bytes(eth / ip / TCP())[:30]), eth / IP(src="198.51.100.9", dst="10.0.0.1", ihl=4) / UDP()]
    fragments = fragment(eth / ip / UDP(sport=1, dport=2) / Raw(b"y" * 3000), 1000)
    wrpcap(path, packets + fragments)
    return len(packets) + len(fragments), len(packets) + 1


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


POLICY = {
    "sublayers": [{"key": "edge", "name": "Edge", "weight": 40000}],
    "callouts": [{"key": "count-v4", "name": "Count", "layer": "inbound_transport_v4", "plugin": "count"}],
    "filters": [
        {"key": "counted", "name": "Counted", "layer": "inbound_transport_v4", "sublayer": "edge",
         "action": {"type": "callout_inspection", "callout": "count-v4"}},
        {"key": "v4", "name": "Everything over v4", "layer": "inbound_transport_v4", "sublayer": "edge", "action": "block"},
        {"key": "v6", "name": "Everything over v6", "layer": "inbound_ippacket_v6", "action": "block"},
        {"key": "arp", "name": "No ARP", "layer": "inbound_mac_frame_ethernet", "action": "block",
         "conditions": [{"field": "ether_type", "match": "equal", "value": 0x0806}]}]}


def run_traffic(contract, build):
    with tempfile.TemporaryDirectory(prefix="sluice-api-") as folder:
        capture = os.path.join(folder, "in.pcap")
        n, n_events = write_traffic(capture)
        links = [{"name": "wan", "inside": "vdev:net_null0,no-rx=1",
                  "outside": f"pcap:rx={capture},tx={folder}/out.pcap"}]
        with WatchedDaemon(build, policy=POLICY, config={"links": links}) as daemon:
            daemon.contract = contract
            wait_for(lambda: daemon.call("GET", "/v1/events").json["last"] >= n_events)
            events = daemon.call("GET", "/v1/events").json["items"]
            check_events(events, n_events)
            for path in ("/v1/stats", "/v1/ports", "/v1/links", "/v1/engine", "/v1/plugins", "/v1/layers",
                         "/v1/layers/inbound_transport_v4", "/v1/filters?stats=1", "/v1/filters/v4?stats=1",
                         "/v1/filters/v4/stats", "/v1/policy", "/v1/events?type=parser_drop", "/v1/events?filter=v4"):
                daemon.call("GET", path)
            stats = daemon.call("GET", "/v1/stats").json
            if sum(stats["drops"].values()) != n or stats["layers"]["inbound_transport_v4"]["block"] == 0:
                fail(f"stats do not tell of {n} packets dropped: {stats['drops']}")


def run_flows(contract, build):
    """Flows of every kind of address, listed, shown and ended."""
    eth = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    ip = IP(src="198.51.100.9", dst="10.0.0.1")
    packets = [eth / ip / TCP(sport=4000, dport=80, flags="S", seq=1), eth / Dot1Q(vlan=7) / ip / UDP(sport=53, dport=53),
               eth / ip / ICMP(type=8, id=77), eth / IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=5, dport=443, flags="S")]
    policy = {"filters": [{"key": "web", "name": "Web", "layer": "ale_auth_recv_accept_v4", "action": "permit",
                           "conditions": [{"field": "ip_local_port", "match": "equal", "value": 80}]}]}
    with tempfile.TemporaryDirectory(prefix="sluice-api-") as folder:
        capture = os.path.join(folder, "in.pcap")
        wrpcap(capture, packets)
        links = [{"name": "wan", "inside": "vdev:net_null0,no-rx=1", "outside": f"pcap:rx={capture},tx={folder}/out.pcap"}]
        with WatchedDaemon(build, policy=policy, config={"links": links, "flows": {"events": True}}) as daemon:
            daemon.contract = contract
            wait_for(lambda: daemon.call("GET", "/v1/flows/stats").json["flows"] == len(packets))
            flows = daemon.call("GET", "/v1/flows").json["items"]
            found = {(f["protocol"], f["local"], f["local_port"], f["remote"], tuple(f["vlan"]), f["filter"]) for f in flows}
            wanted = {(6, "10.0.0.1", 80, "198.51.100.9", (), "web"), (17, "10.0.0.1", 53, "198.51.100.9", (7,), None),
                      (1, "10.0.0.1", 77, "198.51.100.9", (), None), (6, "2001:db8::2", 443, "2001:db8::1", (), None)}
            if found != wanted or {f["direction"] for f in flows} != {"inbound"}:
                fail(f"the flows are {found}")
            check_pages(daemon, {f["id"] for f in flows})
            check_kills(daemon)


def check_pages(daemon, ids):
    for query, n in (("protocol=tcp", 2), ("filter=web", 1), ("port=53", 1), ("vlan=7", 1), ("ip_version=6", 1),
                     ("local=10.0.0.0/8", 3), ("remote=2001:db8::/64&state=syn_sent", 1), ("direction=outbound", 0),
                     ("class=icmp", 1)):
        found = len(daemon.call("GET", f"/v1/flows?{query}").json["items"])
        if found != n:
            fail(f"{found} flows of {n} with {query}")
    seen, cursor = [], ""
    while cursor is not None:
        page = daemon.call("GET", "/v1/flows?limit=1" + (f"&cursor={cursor}" if cursor else "")).json
        seen += [flow["id"] for flow in page["items"]]
        cursor = page["next_cursor"]
    if sorted(seen) != sorted(ids):
        fail(f"pages of one flow have {seen}")


def check_kills(daemon):
    web = daemon.call("GET", "/v1/flows?filter=web").json["items"][0]["id"]
    statuses = [daemon.call(method, f"/v1/flows/{web}").status for method in ("GET", "DELETE", "GET", "DELETE")]
    # A place stays for a while that drops what is left of a TCP connection.
    if statuses != [200, 204, 200, 404] or not daemon.call("GET", f"/v1/flows/{web}").json["revoked"]:
        fail(f"a flow that is ended: {statuses}")
    if daemon.call("DELETE", "/v1/flows?port=53").json != {"killed": 1} or \
            daemon.call("DELETE", "/v1/flows?all=1").json != {"killed": 2}:
        fail("flows are not ended by filters")
    wait_for(lambda: len(daemon.call("GET", "/v1/events?type=flow_closed").json["items"]) == 4)
    events = daemon.call("GET", "/v1/events").json["items"]
    closed = [event for event in events if event["type"] == "flow_closed"]
    if {event["end"] for event in closed} != {"admin"} or len(closed) != 4 or \
            {event["flow"] for event in closed} != {event["flow"] for event in events if event["type"] == "flow_new"}:
        fail(f"events of flows: {events}")
    for path in ("/v1/flows/stats", "/v1/stats"):
        daemon.call("GET", path)


def check_events(events, n):
    found = {(event["type"], event["reason"], event["filter"]) for event in events}
    wanted = {("classify_drop", "filter", "v4"), ("classify_drop", "filter", "v6"), ("classify_drop_mac", "filter", "arp"),
              ("parser_drop", "ip4_truncated", None), ("parser_drop", "ip4_bad_header_length", None)}
    if len(events) != n or not wanted <= found:
        fail(f"{len(events)} events of {n}: {found}")
    syn = [event for event in events if event.get("source_port") == 4000]
    if not syn or syn[0]["tcp_flags_names"] != ["syn"] or syn[0]["meaning"] != "a filter or its callout blocked":
        fail(f"the event of the SYN is {syn}")


def main():
    build = sys.argv[1]
    with Daemon(build) as daemon:
        document = daemon.call("GET", "/v1/openapi.json").json
    check_document(document)
    contract = Contract(document)
    run_golden(contract, build)
    run_traffic(contract, build)
    run_flows(contract, build)
    operations = {(method, path) for path, operations in document["paths"].items() for method in operations}
    silent = operations - {(method, path) for method, path, status in contract.used if status < 300}
    for method, path in sorted(silent):
        fail(f"{method} {path}: no good answer was seen")
    print(f"{len(operations)} operations, {len(contract.used)} kinds of answers, {len(failures)} faults")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
