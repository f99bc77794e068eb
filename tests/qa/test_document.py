#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The policy document through the daemon, as a stranger with the contract in hand would try it.

    test_document.py BUILD
"""
import ipaddress
import json
import os
import pathlib
import random
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "api")]

import facts  # noqa: E402
import oracle  # noqa: E402
import random_policy  # noqa: E402
from daemon import Daemon  # noqa: E402

SEED = int(os.environ.get("SLUICE_SEED", random.SystemRandom().getrandbits(32)))
INSIDE = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8:1::/48")]
V4 = "inbound_transport_v4"
NOTHING = {"added": [], "removed": [], "changed": []}
OBJECTS = {
    "providers": {"name": "P"},
    "sublayers": {"name": "S", "weight": 7},
    "provider_contexts": {"name": "C", "data": {"a": [1, None, "x"]}},
    "sets": {"name": "T", "type": "uint16", "elements": [22, 80, "443-445"]},
    "callouts": {"name": "O", "layer": V4, "plugin": "count"},
    "filters": {"name": "F", "layer": V4, "action": "block"},
}


def filter_of(key="f", **members):
    return {"key": key, "name": key, "layer": V4, "action": "block", **members}


def condition(field, match, value, layer=V4):
    return filter_of(layer=layer, conditions=[{"field": field, "match": match, "value": value}])


MAC = "inbound_mac_frame_ethernet"
V6 = "outbound_transport_v6"
# A filter, and what GET shows of a member of it.
ACCEPTED = [
    (filter_of(key="a" * 64), "key", "a" * 64),
    (filter_of(key="0c5a2977-9e74-4b3a-be02-2c7c5b18b668"), "key", "0c5a2977-9e74-4b3a-be02-2c7c5b18b668"),
    (filter_of(), "effective_weight", "0"),
    (filter_of(weight=None), "effective_weight", "0"),
    (filter_of(weight={"range": 15}), "effective_weight", str(15 << 60)),
    (filter_of(weight=(1 << 63) - 1), "effective_weight", str((1 << 63) - 1)),
    (filter_of(weight=str((1 << 64) - 1)), "effective_weight", str((1 << 64) - 1)),
    (filter_of(action="permit", override="hard"), "flags", ["persistent", "clear_action_right"]),
    (filter_of(action="permit", flags=["clear_action_right"]), "flags", ["persistent", "clear_action_right"]),
    (filter_of(lifetime="static"), "lifetime", "static"),
    (filter_of(), "lifetime", "persistent"),
    (filter_of(sublayer=None), "sublayer", "universal"),
    (condition("ip_remote_address", "equal", "10.1.2.3/8"), "value", "10.0.0.0/8"),
    (condition("ip_remote_address", "range", ["10.0.0.1", "10.0.0.9"]), "value", ["10.0.0.1", "10.0.0.9"]),
    (condition("ip_remote_address", "equal", "2001:DB8::/32", V6), "value", "2001:db8::/32"),
    (condition("ip_local_port", "range", [2300, 2399]), "value", [2300, 2399]),
    (condition("ip_local_port", "equal", None), "value", None),
    (condition("icmp_type", "equal", 8), "value", 8),
    (condition("flags", "flags_all_set", ["is_fragment"]), "value", ["is_fragment"]),
    (condition("mac_local_address", "equal", "AA:BB:CC:DD:EE:FF", MAC), "value", "aa:bb:cc:dd:ee:ff"),
    (condition("vlan_id", "equal", 65535, MAC), "value", 65535),
]
# A filter, the code it is refused with, and where.
REFUSED = [
    (filter_of(key="A"), "invalid_parameter", "/key"),
    (filter_of(key="a" * 65), "invalid_parameter", "/key"),
    (filter_of(name=None), "null_display_name", "/name"),
    (filter_of(zz=1), "reserved", "/zz"),
    (filter_of(layer="nolayer"), "layer_not_found", "/layer"),
    (filter_of(layer="stream_v4"), "layer_not_supported", "/layer"),
    (filter_of(layer="ale_auth_listen_v4"), "incompatible_layer", "/layer"),
    (filter_of(sublayer="none"), "sublayer_not_found", "/sublayer"),
    (filter_of(provider="none"), "provider_not_found", "/provider"),
    (filter_of(action="continue"), "invalid_action_type", "/action"),
    (filter_of(action={"type": "callout_terminating", "callout": "none"}), "callout_not_found", "/action/callout"),
    (filter_of(provider_context="none"), "provider_context_not_found", "/provider_context"),
    (filter_of(weight={"range": 16}), "invalid_weight", "/weight/range"),
    (filter_of(weight=-1), "invalid_weight", "/weight"),
    (filter_of(weight="18446744073709551616"), "invalid_weight", "/weight"),
    (filter_of(override="hard"), "invalid_flags", "/override"),
    (filter_of(flags=["disabled"]), "invalid_flags", "/flags"),
    (filter_of(flags=["persistent"], lifetime="static"), "invalid_flags", "/flags"),
    (filter_of(lifetime="dynamic"), "lifetime_mismatch", "/lifetime"),
    (condition("ip_remote_address", "equal", 1.5), "type_mismatch", "/conditions/0/value"),
    (condition("ip_local_port", "equal", "80"), "type_mismatch", "/conditions/0/value"),
    (condition("ip_local_port", "equal", 65536), "out_of_bounds", "/conditions/0/value"),
    (condition("ip_local_port", "range", [10, 5]), "invalid_range", "/conditions/0/value"),
    (condition("ip_remote_address", "equal", "10.0.0.0/33"), "invalid_net_mask", "/conditions/0/value"),
    (condition("ip_remote_address", "flags_all_set", 1), "match_type_mismatch", "/conditions/0/match"),
    (condition("ip_remote_address", "in_set", "none"), "set_not_found", "/conditions/0/value"),
    (condition("ip_protocol", "prefix", 6), "invalid_enumerator", "/conditions/0/match"),
    (condition("mac_local_address", "equal", 1), "condition_not_found", "/conditions/0/field"),
    (condition("mac_local_address", "greater", "02:00:00:00:00:01", MAC), "match_type_mismatch", "/conditions/0/match"),
]


class Case(unittest.TestCase):
    daemon = None
    maxDiff = None

    def setUp(self):
        self.call("PUT", "/v1/policy", {}, status=200)

    def call(self, method, path, body=None, headers=None, status=None):
        answer = self.daemon.call(method, path, body, headers)
        self.assertRegex(answer.headers.get("Policy-Revision") or "", r"^\d+$", (method, path))
        if status is not None:
            self.assertEqual(answer.status, status, (method, path, answer.body))
        return answer

    def everything(self):
        state = [self.call("GET", f"/v1/{name}?limit=1000").json for name in OBJECTS]
        return state, self.call("GET", "/v1/policy").json, self.call("GET", "/v1/engine").json["revision"]


class Document(Case):
    def test_accepted(self):
        for document, member, wanted in ACCEPTED:
            with self.subTest(document):
                self.call("PUT", "/v1/policy", {"filters": [document]}, status=200)
                found = self.call("GET", f"/v1/filters/{document['key']}").json
                holder = found["conditions"][0] if member == "value" else found
                self.assertEqual(holder[member], wanted)

    def test_refused(self):
        # All at once: one pointer each, nothing left out, nothing applied.
        documents = [{**row[0], "key": row[0]["key"] if row[0]["key"] != "f" else f"f{i}"}
                     for i, row in enumerate(REFUSED)]  # fmt: skip
        answer = self.call("PUT", "/v1/policy", {"filters": documents})
        self.assertIn(answer.status, (400, 422))
        found = {(e["pointer"], e["code"]) for e in answer.json["errors"]}
        wanted = {(f"/filters/{i}{where}", code) for i, (_, code, where) in enumerate(REFUSED)}
        self.assertEqual(found, wanted)
        self.assertEqual(self.call("GET", "/v1/policy").json["filters"], [])
        for document, code, where in REFUSED:
            answer = self.call("POST", "/v1/filters", document)
            self.assertEqual([(e["pointer"], e["code"]) for e in answer.json["errors"]], [(where, code)], document)

    def test_policies_come_back(self):
        generator = random.Random(SEED)
        maker = facts.Maker(generator)
        for _ in range(15):
            packets = [maker.frame() for _ in range(60)]
            document = random_policy.Generator(generator, packets, INSIDE).document(10)
            self.call("PUT", "/v1/policy", document, status=200)
            first = self.call("GET", "/v1/policy").json
            again = self.call("PUT", "/v1/policy", first, status=200).json
            self.assertEqual(again["diff"], NOTHING, f"SLUICE_SEED={SEED}")
            self.assertEqual(self.call("GET", "/v1/policy").json, first)
            self.explain_all(document, packets[:20])

    def explain_all(self, document, packets):
        """Explaining a packet gives the oracle's verdict and leaves no trace."""
        policy = oracle.Policy(document, {"count"})
        names = ("direction", "verdict", "layer", "sublayer", "filter", "reason")
        for packet in packets:
            wanted = policy.judge(packet, INSIDE)
            told = self.call("POST", "/v1/explain", {"packet": packet["raw"].hex(), "direction": wanted[0]}, status=200)
            self.assertEqual(tuple(told.json[name] for name in names), wanted, f"SLUICE_SEED={SEED}")
            self.assertTrue(told.json["engines_agree"])
        for item in self.call("GET", "/v1/filters?stats=1&limit=1000").json["items"]:
            self.assertEqual(item["stats"]["packets"], 0)

    def test_order_decides_ties(self):
        for order in (("a", "b"), ("b", "a")):
            filters = {"a": filter_of("a", action="permit", override="hard"), "b": filter_of("b")}
            self.call("PUT", "/v1/policy", {"filters": [filters[key] for key in order]}, status=200)
            told = self.call("POST", "/v1/explain", {"layer": V4, "values": {}}, status=200).json
            self.assertEqual(told["verdict"], "permit" if order[0] == "a" else "block", order)
            self.assertEqual([f["key"] for f in self.call("GET", "/v1/policy").json["filters"]], list(order))


class Changes(Case):
    def test_dry_runs_change_nothing(self):
        for kind, members in OBJECTS.items():
            self.call("PUT", f"/v1/{kind}/old", members, status=201)
        self.call("PUT", "/v1/sets/old/elements", [22, 80], status=204)
        before = self.everything()
        for kind, members in OBJECTS.items():
            other = {**members, "name": "other"}
            for method, path, body, diff in (
                ("POST", f"/v1/{kind}", {**members, "key": "new"}, "added"),
                ("PUT", f"/v1/{kind}/new", members, "added"),
                ("PUT", f"/v1/{kind}/old", other, "changed"),
                ("DELETE", f"/v1/{kind}/old", None, "removed"),
            ):
                answer = self.call(method, path + "?dry_run=1", body, status=200).json
                key = "new" if diff == "added" else "old"
                self.assertEqual(answer["diff"], {**NOTHING, diff: [f"{kind}/{key}"]}, (method, path))
        text = {"Content-Type": "text/plain"}
        for method, body, headers in (("PUT", [1], None), ("POST", b"1\n2\n", text), ("DELETE", [22], None)):
            answer = self.call(method, "/v1/sets/old/elements?dry_run=1", body, headers, status=200).json
            self.assertEqual(answer["diff"]["changed"], ["sets/old"])
        self.call("PUT", "/v1/policy?dry_run=1", {}, status=200)
        self.assertEqual(self.everything(), before)

    def test_elements(self):
        self.call("PUT", "/v1/sets/s", {"name": "s", "type": "uint16"}, status=201)
        text = {"Content-Type": "text/plain"}
        self.call("PUT", "/v1/sets/s/elements", b"80\n22\r\n\n# comment\n443-445\n", text, status=204)
        self.call("POST", "/v1/sets/s/elements", [25, "22"], status=204)
        self.call("DELETE", "/v1/sets/s/elements", b"80\n", text, status=204)
        wanted = [22, 25, "443-445"]
        self.assertEqual(self.call("GET", "/v1/sets/s").json["elements"], wanted)
        self.assertEqual(self.call("GET", "/v1/sets/s/elements").json["elements"], wanted)
        plain = self.call("GET", "/v1/sets/s/elements", None, {"Accept": "text/plain"}, status=200)
        self.assertEqual(plain.body, b"22\n25\n443-445\n")

    def test_bad_elements_change_nothing(self):
        self.call("PUT", "/v1/sets/s", OBJECTS["sets"], status=201)
        before = self.everything()
        answer = self.call("POST", "/v1/sets/s/elements", b"1\nx\n65536\n", {"Content-Type": "text/plain"})
        self.assertEqual([e["code"] for e in answer.json["errors"]], ["type_mismatch", "out_of_bounds"])
        self.assertEqual(self.everything(), before)

    def test_references_hold(self):
        self.call("PUT", "/v1/sets/s", {"name": "s", "type": "v4_prefix"}, status=201)
        self.call("PUT", "/v1/filters/f", condition("ip_remote_address", "in_set", "s"), status=201)
        answer = self.call("DELETE", "/v1/sets/s", status=409).json
        self.assertEqual((answer["code"], answer["referrers"]), ("in_use", ["filters/f"]))
        self.call("DELETE", "/v1/sublayers/universal", status=403)

    def test_pages_while_things_change(self):
        for i in range(20):
            self.call("PUT", f"/v1/filters/f{i:02}", filter_of(f"f{i:02}"), status=201)
        seen, cursor, gone = [], "", "f01"
        while cursor is not None:
            page = self.call("GET", f"/v1/filters?limit=4&cursor={cursor or 0}", status=200).json
            seen += [item["key"] for item in page["items"]]
            cursor = page["next_cursor"]
            if len(seen) <= 12:
                self.call("PUT", f"/v1/filters/new{len(seen):02}", filter_of(f"new{len(seen):02}"), status=201)
                self.call("PUT", "/v1/filters/f09", filter_of("f09", weight=len(seen)), status=200)
                self.call("DELETE", f"/v1/filters/{gone}", status=204)
                gone = f"f{int(gone[1:]) + 1:02}"
        self.assertEqual(len(seen), len(set(seen)), seen)
        self.assertLessEqual({f"f{i:02}" for i in range(4, 20)}, set(seen))

    def test_lists_filter_by_member(self):
        self.call("PUT", "/v1/policy", {
            "providers": [{"key": "p", "name": "p"}],
            "sublayers": [{"key": "s", "name": "s", "weight": 1, "provider": "p"}],
            "callouts": [{"key": "c", "name": "c", "layer": V4, "plugin": "count"}],
            "filters": [
                filter_of("plain"), filter_of("owned", provider="p"), filter_of("low", sublayer="s"),
                filter_of("forward", layer="ipforward_v4", action="permit"),
                filter_of("called", action={"type": "callout_inspection", "callout": "c"})],
        }, status=200)  # fmt: skip
        for query, wanted in (
            ("layer=ipforward_v4", ["forward"]), ("sublayer=s", ["low"]), ("provider=p", ["owned"]),
            ("callout=c", ["called"]), ("action=permit", ["forward"]), ("action=block&provider=p", ["owned"]),
            ("action=callout_inspection", ["called"]), ("sublayer=none", []),
        ):  # fmt: skip
            page = self.call("GET", "/v1/filters?" + query, status=200).json
            self.assertEqual(([i["key"] for i in page["items"]], page["total"]), (wanted, len(wanted)), query)
        self.assertEqual(self.call("GET", "/v1/sublayers?provider=p").json["total"], 1)
        self.call("GET", "/v1/filters?nonsense=1", status=400)


class Errors(Case):
    def test_every_answer_is_whole(self):
        """Refusals are problem documents with a code; call() checks that each names the revision."""
        for method, path, body, status in (
            ("GET", "/v1/nothing", None, 404), ("GET", "/v1/filters/none", None, 404),
            ("DELETE", "/v1/filters/none", None, 404), ("PATCH", "/v1/filters", {}, 405),
            ("PUT", "/v1/policy", b"", 400), ("PUT", "/v1/policy", b"{]", 400), ("PUT", "/v1/policy", [], 422),
            ("PUT", "/v1/policy", b'{"filters":[],"filters":[]}', 400), ("PUT", "/v1/policy", b"[" * 10000, 400),
            ("PUT", "/v1/policy", json.dumps({"x" * 10_000_000: 1}).encode(), 400),
            ("POST", "/v1/explain", {}, 400), ("PATCH", "/v1/engine", {"mode": "sideways"}, 400),
        ):  # fmt: skip
            answer = self.call(method, path, body, status=status)
            self.assertEqual(answer.headers["Content-Type"], "application/problem+json", (method, path))
            self.assertRegex(answer.json["code"], "^[a-z_0-9]+$")
            self.assertEqual(answer.json["status"], status)
        self.assertEqual(self.call("GET", "/v1/health").json, {"status": "ok"})

    def test_engine_names_the_member(self):
        body = {"zz": 1, "options": {"yy": 1, "collect_net_events": 1}, "mode": 1}
        found = {e["pointer"] for e in self.call("PATCH", "/v1/engine", body).json["errors"]}
        self.assertEqual(found, {"/zz", "/options/yy", "/options/collect_net_events", "/mode"})

    def test_calls_of_unknown_transactions_are_refused(self):
        for name in ("Sluice-Session", "Sluice-Transaction"):
            answer = self.call("PUT", "/v1/providers/p", {"name": "p"}, {name: "1"}, status=404)
            self.assertEqual(answer.json["code"], "not_found")
        self.call("GET", "/v1/providers/p", status=404)


def main():
    with Daemon(sys.argv[1]) as daemon:
        Case.daemon = daemon
        done = unittest.main(argv=sys.argv[:1], exit=False, verbosity=1).result
    return 0 if done.wasSuccessful() and daemon.exit_status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
