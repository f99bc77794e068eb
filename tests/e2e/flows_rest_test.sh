#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What an operator sees of flows, with real connections: they are listed and told of, one is ended, and one
# lives on over a restart of the daemon.
. "$(dirname "$0")/_init.sh"

TALK=$E2E_DIR/talk.py

# flow MEMBER: of the long connection, as REST has it
flow() {
	api GET "/v1/flows?protocol=tcp&remote_port=7000&state=established" | json "it['items'][0]$1"
}

ctl() {
	"$BUILD/sluicectl" -s "$SOCKET" "$@"
}

lines() {
	wc -l <"$TMP/lines"
}

# Is the echo of a line there that was sent later than now?
talks_on() {
	local before
	before=$(lines)
	eventually 20 test_more "$before"
}

test_more() {
	[ "$(lines)" -gt "$(($1 + 2))" ]
}

has_event() {
	[ "$(api GET "/v1/events?type=$1&limit=1000" | json "sum($2 for event in it['items'])")" -gt 0 ]
}

topology
# Without the file a connection in its midst would be dropped.
options='"flows": {"midstream": "drop", "events": true, "save": "'"$TMP"'/flows", "timeouts": {"tcp_time_wait": 1, "tcp_rst": 1}}'
configure "\"workers\": 2, $options"
start_sluiced <<'END'
{"filters": [
  {"key": "out", "name": "TCP from inside", "layer": "ale_auth_connect_v4", "action": "permit",
   "conditions": [{"field": "ip_protocol", "match": "equal", "value": 6}]},
  {"key": "in", "name": "Nothing from outside", "layer": "ale_auth_recv_accept_v4", "action": "block",
   "conditions": [{"field": "ip_protocol", "match": "equal", "value": 6}]}]}
END
grep -q "flows: no file $TMP/flows" "$TMP/sluiced.log" || fail "the log does not tell of the first start"

out_host "$PYTHON" "$TALK" echo 10.0.0.2 7000 &
eventually 5 out_host "$PYTHON" "$E2E_DIR/exchange.py" listening tcp 7000
touch "$TMP/lines"
in_host "$PYTHON" "$TALK" talk 10.0.0.2 7000 "$TMP/lines" &
talker=$!
talks_on

# What is listed.
equal "ends" "$(flow "['local'] + ' ' + it['items'][0]['remote']")" "10.0.0.1 10.0.0.2"
equal "direction" "$(flow "['direction']")" outbound
equal "filter" "$(flow "['filter']")" out
equal "state" "$(flow "['tcp_state']") $(flow "['class']")" "established tcp_established"
equal "flags" "$(flow "['established']") $(flow "['midstream']") $(flow "['imported']")" "True False False"
at_least "packets out" "$(flow "['packets']['outbound']")" 3
at_least "packets in" "$(flow "['packets']['inbound']")" 3
id=$(flow "['id']")
equal "one by its id" "$(api GET "/v1/flows/$id" | json 'it["remote_port"]')" 7000
equal "not its other end" "$(api GET '/v1/flows?local_port=7000' | json 'len(it["items"])')" 0
contains "table" "$(ctl flows --filter out --port 7000)" "10.0.0.2:7000  established  out"
contains "one for people" "$(ctl flows show "$id")" "flow $id"
eventually 5 has_event flow_new "event['flow'] == '$id' and event['opened'] == 'outbound' and event['filter'] == 'out'"
eventually 5 has_event flow_established "event['flow'] == '$id'"

# A transfer comes and goes.
out_host iperf3 --server --one-off --daemon --pidfile "$TMP/iperf.pid" >/dev/null
eventually 5 out_host "$PYTHON" "$E2E_DIR/exchange.py" listening tcp 5201
in_host iperf3 -c 10.0.0.2 --time 1 >/dev/null
eventually 8 has_event flow_closed "event['end'] in ('fin', 'rst') and event['bytes']['outbound'] > 1000000"

# From outside nothing is opened, and answers pass.
serve in tcp 80
refuses exchange out tcp 10.0.0.1 80
eventually 5 has_event classify_drop "event['layer'] == 'ale_auth_recv_accept_v4' and event['filter'] == 'in'"
frame() {
	"$PYTHON" -c '
import sys
from scapy.all import IP, TCP, Ether
print(bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.2", dst="10.0.0.1") /
            TCP(sport=7000, dport=80, flags=sys.argv[1])).hex())' "$1"
}
ctl -j explain --packet "$(frame S)" -d in >"$TMP/new.json"
ctl -j explain --packet "$(frame A)" -d in --flow reply >"$TMP/reply.json"
equal "explained as the first of a flow" "$(json 'it["verdict"], it["layer"], it["filter"]' <"$TMP/new.json")" \
	"('block', 'ale_auth_recv_accept_v4', 'in')"
equal "explained as an answer" "$(json 'it["verdict"]' <"$TMP/reply.json")" permit
at_least "opened" "$(api GET /v1/flows/stats | json 'it["counters"]["opened"]["outbound"]')" 3
at_least "blocked" "$(api GET /v1/stats | json 'it["flows"]["blocked"]')" 1
contains "statistics for people" "$(ctl flows stats)" "time-outs are at 100 %"

# Over a restart, and with another number of workers.
stop_sluiced
configure "\"workers\": 1, $options"
grep -q "flows: .* written to $TMP/flows" "$TMP/sluiced.log" || fail "the log does not tell of flows that were kept"
[ "$(stat -c %a "$TMP/flows")" = 600 ] || fail "others may read the file"
start_sluiced -
grep -q "flows of $TMP/flows: [1-9][0-9]* taken" "$TMP/sluiced.log" || fail "the log does not tell of flows that were taken"
[ ! -e "$TMP/flows" ] || fail "the file is there to be used again"
talks_on
equal "it is the connection of before" "$(flow "['imported']") $(flow "['midstream']")" "True False"
equal "judged by the policy in force" "$(flow "['filter']")" out
equal "still none without a connection" "$(api GET /v1/stats | json 'it["drops"].get("tcp_no_connection", 0)')" 0

# Its end.
id=$(flow "['id']")
contains "ended" "$(ctl flows kill "$id")" "flow $id is ended"
refuses ctl flows kill "$id"
before=$(lines)
sleep 1
at_least "one echo may have been on its way" "$((before + 1))" "$(lines)"
eventually 5 test "$(api GET /v1/stats | json 'it["drops"].get("flow_revoked", 0)')" -gt 0
equal "revoked" "$(api GET "/v1/flows/$id" | json 'it["revoked"], it["end"]')" "(True, 'admin')"
eventually 5 has_event flow_closed "event['flow'] == '$id' and event['end'] == 'admin'"
eventually 5 has_event classify_drop "event.get('flow') == '$id' and event['reason'] == 'flow_revoked'"
kill $talker

# All of them; and events can be switched off.
in_host ping -c 1 10.0.0.2 >/dev/null
at_least "flows that are ended by their protocol" "$(api DELETE '/v1/flows?protocol=icmp' | json 'it["killed"]')" 1
contains "switch" "$(ctl flows events off)" off
before=$(api GET '/v1/events?type=flow_new&limit=10000' | json 'len(it["items"])')
in_host ping -c 1 10.0.0.2 >/dev/null
equal "events when they are off" "$(api GET '/v1/events?type=flow_new&limit=10000' | json 'len(it["items"])')" "$before"
contains "all" "$(ctl flows kill --all)" "flows are ended"
equal "none is left but those that are ended" "$(api GET /v1/flows | json '[f for f in it["items"] if not f["revoked"]]')" "[]"

# A file that is damaged is told of, and nothing is taken from it.
in_host ping -c 1 10.0.0.2 >/dev/null
stop_sluiced
printf 'x' | dd of="$TMP/flows" bs=1 seek=100 conv=notrunc status=none
start_sluiced -
grep -q "flows: $TMP/flows is damaged" "$TMP/sluiced.log" || fail "the log does not tell of the damage"
equal "flows of a damaged file" "$(api GET /v1/flows | json 'len([f for f in it["items"] if f["imported"]])')" 0
in_host ping -c 1 10.0.0.2 >/dev/null
stop_sluiced
