#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A program is asked before a connection opens: what it permits goes on at once, what it blocks does not, and what it does
# not answer has its end in time, in every way in which an answer may fail to come.
. "$(dirname "$0")/_init.sh"

PEND=$E2E_DIR/pend.py
QUESTIONS=$TMP/questions
PAGE=/dev/null

ctl() {
	"$BUILD/sluicectl" -s "$SOCKET" "$@"
}

judge_begins() {
	rm -f "$TMP/judge.sock"
	"$PYTHON" "$PEND" judge "$TMP/judge.sock" "$QUESTIONS" &
	JUDGE=$!
	eventually 5 test -S "$TMP/judge.sock"
}

judge_ends() {
	kill "$JUDGE"
	wait "$JUDGE" || true
	rm -f "$TMP/judge.sock"
}

# connects NAMESPACE ADDRESS PORT: prints the seconds until the connection stood; fails when it never did.
connects() {
	ip netns exec "$1" curl --silent --noproxy '*' --output "$PAGE" --max-time 8 --connect-timeout "${4:-5}" \
		--write-out '%{time_connect}\n' "http://$2:$3/"
}

# is_between NUMBER MIN MAX
is_between() {
	awk -v s="$1" -v min="$2" -v max="$3" 'BEGIN { exit !(s >= min && s < max) }'
}

# connects_in MIN MAX NAMESPACE ADDRESS PORT: it takes so many seconds. A busy machine has three attempts.
connects_in() {
	local min=$1 max=$2 seconds
	shift 2
	for _ in 1 2 3; do
		seconds=$(connects "$@") || fail "no connection to $2, port $3"
		if is_between "$seconds" "$min" "$max"; then
			return
		fi
	done
	fail "the connection to $2, port $3, took $seconds s, wanted $min to $max s"
}

# pend MEMBER: of the statistics
pend() {
	api GET /v1/flows/stats | json "it['counters']['pend']['$1']"
}

nobody_waits() {
	[ "$(pend waiting)" -eq 0 ]
}

# waiting PORT: prints the id of a flow to that port that waits
waiting() {
	api GET "/v1/flows?pended=1&remote_port=$1" | json "it['items'][0]['id']"
}

# A connection to a port about which nothing is said, which goes on trying. wait_for PORT
wait_for() {
	# Not through a function, which would be a process between us and it.
	ip netns exec in curl --silent --noproxy '*' --output "$PAGE" --max-time 30 "http://10.0.0.2:$1/" &
	CLIENT=$!
	eventually 5 waiting "$1"
}

give_up() {
	kill "$CLIENT" 2>/dev/null || true
	wait "$CLIENT" || true
}

kill_waiting() {
	ctl flows kill "$(waiting 7004)"
}

has_drop() {
	[ "$(api GET "/v1/events?type=classify_drop&limit=1000" | json "sum($1 for event in it['items'])")" -gt 0 ]
}

dropped() {
	api GET /v1/stats | json "it['drops'].get('$1', 0)"
}

# of_consult EXPRESSION about the plugin as it is listed
of_consult() {
	api GET /v1/plugins | json "[p for p in it['items'] if p['key'] == 'consult'][0]$1"
}

# questions_about PORT
questions_about() {
	grep -c "_port\": $1[,}]" "$QUESTIONS" || true
}

# Ports 70xx are asked about; 72xx, too, and pass when the callout is not there; 73xx, and pass when nobody answers.
policy() {
	"$PYTHON" - "$TMP/judge.sock" <<-'END'
		import json, sys
		kinds = {"ask": (7000, "judge", []), "lax": (7200, "judge", ["permit_if_callout_unregistered"]), "open": (7300, "open", [])}
		layers = {name + version: "remote" if name == "ale_auth_connect" else "local"
		          for name in ("ale_auth_connect", "ale_auth_recv_accept") for version in ("_v4", "_v6")}
		data = {"socket": sys.argv[1], "timeout_ms": 300000}
		print(json.dumps({
		    "provider_contexts": [{"key": "judge", "name": "Judge", "data": data},
		                          {"key": "open", "name": "Open", "data": {**data, "on_unreachable": "permit"}}],
		    "callouts": [{"key": layer, "name": layer, "layer": layer, "plugin": "consult"} for layer in layers],
		    "filters": [{"key": f"{kind}-{layer}", "name": kind, "layer": layer, "flags": flags, "provider_context": context,
		                 "action": {"type": "callout_terminating", "callout": layer},
		                 "conditions": [{"field": f"ip_{side}_port", "match": "range", "value": [first, first + 99]}]}
		                for kind, (first, context, flags) in kinds.items() for layer, side in layers.items()]}))
	END
}

topology
touch "$QUESTIONS"
judge_begins
policy >"$TMP/policy.json"
configure '"workers": 2, "flows": {"pend": {"timeout": 2}, "save": "'"$TMP"'/flows"}'
start_sluiced -
out_host "$PYTHON" "$PEND" http 7001 7002 7003 7004 7005 7201 7204 7301 7304 &
out_host "$PYTHON" "$PEND" echo 7001 7002 7003 &
in_host "$PYTHON" "$PEND" http 7001 7002 7003 &
eventually 5 out_host "$PYTHON" "$E2E_DIR/exchange.py" listening tcp 7304
eventually 5 out_host "$PYTHON" "$E2E_DIR/exchange.py" listening udp 7003
eventually 5 in_host "$PYTHON" "$E2E_DIR/exchange.py" listening tcp 7003
in_host ping -c 1 10.0.0.2 >/dev/null
in_host ping -c 1 fd00::2 >/dev/null

# The SYN that was held goes on: nobody waits for the client's second one, which comes after a second.
for host in 10.0.0.2 "[fd00::2]"; do
	connects_in 0 0.9 in "$host" 7001
	connects_in 0.2 0.99 in "$host" 7003
	refuses connects in "$host" 7002 2
done
for host in 10.0.0.1 "[fd00::1]"; do
	connects_in 0 0.9 out "$host" 7001
	connects_in 0.2 0.99 out "$host" 7003
	refuses connects out "$host" 7002 2
done
equal "what was asked about one connection" "$(grep 'connect_v6.*"remote_port": 7001' "$QUESTIONS" |
	json 'it["protocol"], it["local_address"], it["remote_address"]')" "(6, 'fd00::1', 'fd00::2')"
eventually 5 has_drop "event['filter'] == 'ask-ale_auth_connect_v4' and event['destination_port'] == 7002"
eventually 5 has_drop "event['filter'] == 'ask-ale_auth_recv_accept_v6' and event['destination_port'] == 7002"
at_least "completed" "$(pend completed)" 12
at_least "put off" "$(of_consult "['statistics']['pends']")" 12
equal "answers" "$(of_consult "['statistics']['completions']")" "$(of_consult "['statistics']['pends']")"
equal "flows that are permitted name the filter" \
	"$(api GET '/v1/flows?remote_port=7001&ip_version=4' | json 'it["items"][0]["filter"]')" ask-ale_auth_connect_v4

# Datagrams that come meanwhile are held, too, and nobody asks twice.
for host in 10.0.0.2 fd00::2; do
	before=$(questions_about 7003)
	read -r order first < <(in_host "$PYTHON" "$PEND" burst "$host" 7003)
	equal "datagrams, $host" "$order" 01234
	is_between "$first" 0.2 3 || fail "the first of them came after $first s, to $host"
	equal "questions about them, $host" "$(questions_about 7003)" $((before + 1))
done
equal "datagrams that are blocked" "$(in_host "$PYTHON" "$PEND" burst 10.0.0.2 7002)" " never"

# While nobody answers.
eventually 5 nobody_waits
wait_for 7004
contains "list" "$(ctl flows --pended)" "10.0.0.2:7004  pended "
equal "waits" "$(pend waiting)" 1
contains "statistics" "$(ctl flows stats)" "1 flows wait for callouts"
equal "is not established" "$(api GET '/v1/flows?pended=1' | json 'it["items"][0]["established"], it["items"][0]["packets"]["inbound"]')" \
	"(False, 0)"
eventually 5 has_drop "event['reason'] == 'pend_timeout' and event['destination_port'] == 7004"
at_least "timeouts" "$(pend timeouts)" 1
at_least "drops" "$(dropped pend_timeout)" 1
at_least "SYNs that came meanwhile" "$(dropped flow_pended)" 1
# The client tries again, and so it is asked again; somebody ends it.
eventually 5 kill_waiting
eventually 5 has_drop "event['reason'] == 'flow_revoked' and event['destination_port'] == 7004"
give_up
eventually 5 nobody_waits
# A filter may let pass then; the client's later SYNs come after one second and three.
connects_in 1.9 2.9 in 10.0.0.2 7204
# What is no answer ends the question.
refuses connects in 10.0.0.2 7005 1
at_least "malformed" "$(of_consult "['counters']['malformed']")" 1

# Nobody there to ask.
judge_ends
refuses connects in 10.0.0.2 7001 1
connects_in 0 0.9 in 10.0.0.2 7301
judge_begins
eventually 10 connects in 10.0.0.2 7001 1
# Who is asked goes away with the question.
wait_for 7304
judge_ends
wait "$CLIENT" || fail "a connection that waited for who went away was not let in"
judge_begins

# Other modes do not wait, and do not keep anybody waiting.
wait_for 7004
ctl mode bypass >/dev/null
wait "$CLIENT" || fail "a connection that waited did not go on when nothing is judged"
ctl mode monitor >/dev/null
connects_in 0 0.9 in 10.0.0.2 7004
ctl mode inline >/dev/null

# It is explained as callouts are: what it would say is not known.
packet=$("$PYTHON" -c '
from scapy.all import IP, TCP, Ether
print(bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="10.0.0.2") /
            TCP(sport=9, dport=7002, flags="S")).hex())')
ctl -j explain --packet "$packet" -d out >"$TMP/explained.json"
equal "explained" "$(json 'it["verdict"], "ask-ale_auth_connect_v4" in str(it)' <"$TMP/explained.json")" "('permit', True)"
equal "nobody was asked for that" "$(questions_about 9)" 0

# The plugin goes while somebody waits, and comes back.
wait_for 7004
contains "unloaded" "$(api DELETE /v1/plugins/consult; of_consult "['state']")" unloaded
equal "nobody waits for what is not there" "$(pend waiting)" 0
give_up
refuses connects in 10.0.0.2 7001 1
at_least "without the callout" "$(dropped callout_unregistered)" 1
connects_in 0 0.9 in 10.0.0.2 7201
api POST /v1/plugins "{\"path\": \"$(realpath "$BUILD/callouts/consult.so")\"}" >/dev/null
eventually 10 connects in 10.0.0.2 7001 1

# The daemon stops while somebody waits: it does not keep what nobody has authorised.
wait_for 7004
stop_sluiced
start_sluiced -
eventually 10 connects in 10.0.0.2 7001 1
give_up
equal "kept" "$(api GET '/v1/flows?remote_port=7004&pended=0' | json 'it["items"]')" "[]"
adds_up outbound
adds_up inbound
stop_sluiced
judge_ends
