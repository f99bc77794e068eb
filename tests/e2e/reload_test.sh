#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# SIGHUP reads the policy files again; what is refused changes nothing and is said with its place.
. "$(dirname "$0")/_init.sh"

block() {
	echo "{\"filters\": [{\"key\": \"b$1\", \"name\": \"b\", \"layer\": \"outbound_transport_v4\",
	  \"conditions\": [{\"field\": \"ip_remote_port\", \"match\": \"equal\", \"value\": $1}], \"action\": \"block\"}]}"
}

revision() {
	api GET /v1/engine | json 'it["revision"]'
}

topology
start_sluiced <<<"$(block 1001)"
serve out udp 1001
serve out udp 1002
exchange in udp 10.0.0.2 1002 >/dev/null
refuses exchange in udp 10.0.0.2 1001
# An object made by a call is not the files'.
api PUT /v1/filters/mine '{"name": "m", "layer": "outbound_transport_v6", "action": "permit"}' >/dev/null

block 1002 >"$TMP/policy.json"
kill -HUP "$SLUICED_PID"
eventually 5 exchange in udp 10.0.0.2 1001
refuses exchange in udp 10.0.0.2 1002
refuses api GET /v1/filters/b1001
api GET /v1/filters/mine >/dev/null

before=$(revision)
echo '{"filters": [{"key": "x", "name": "x", "layer": "no_such_layer", "action": "block"}, {"nam": 1}]}' >"$TMP/policy.json"
kill -HUP "$SLUICED_PID"
eventually 5 grep -q "policy files refused" "$TMP/sluiced.log"
grep -q "/filters/0/layer" "$TMP/sluiced.log" || fail "the first fault is not named"
grep -q "/filters/1" "$TMP/sluiced.log" || fail "the second fault is not named"
equal "revision after a refusal" "$(revision)" "$before"
refuses exchange in udp 10.0.0.2 1002

rm "$TMP/policy.json"
kill -HUP "$SLUICED_PID"
eventually 5 bash -c "[ \$(grep -c 'policy files refused' '$TMP/sluiced.log') -eq 2 ]"
equal "revision after a missing file" "$(revision)" "$before"
exchange in udp 10.0.0.2 1001 >/dev/null
stop_sluiced
