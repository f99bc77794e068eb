#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Fragments are held, judged as the datagram that they are part of, and sent as they came: hosts notice nothing; of
# fragments that contradict each other a socket gets nothing, or exactly the bytes that were judged.
. "$(dirname "$0")/_init.sh"

GOOD=7000
BAD=7001

# stat DROP-REASON
drops() {
	api GET /v1/stats | json "it['drops'].get('$1', 0)"
}

# receiver NAMESPACE ADDRESS FILE
receiver() {
	ip netns exec "$1" "$PYTHON" "$E2E_DIR/fragments.py" receive "$2" "$GOOD" >"$3" &
	eventually 5 ip netns exec "$1" "$PYTHON" "$E2E_DIR/exchange.py" listening udp "$GOOD"
}

# A whole datagram of LENGTH bytes from one host to the other: cross FROM TO ADDRESS LENGTH
cross() {
	receiver "$2" "$3" "$TMP/got"
	local pid=$!
	ip netns exec "$1" "$PYTHON" "$E2E_DIR/fragments.py" send "$3" "$GOOD" "$4" >"$TMP/sent"
	ip netns exec "$1" "$PYTHON" "$E2E_DIR/fragments.py" send "$3" "$GOOD" 3 >/dev/null
	wait "$pid"
	equal "$4 bytes to $3" "$(cat "$TMP/got")" "$(cat "$TMP/sent")"
}

topology
configure '"flows": {"fragments": {"timeout": 3}}'
start_sluiced <<-END
	{"filters": [
	  {"key": "bad4", "name": "Bad", "layer": "inbound_transport_v4", "action": "block",
	   "conditions": [{"field": "ip_local_port", "match": "equal", "value": $BAD}]},
	  {"key": "bad6", "name": "Bad", "layer": "inbound_transport_v6", "action": "block",
	   "conditions": [{"field": "ip_local_port", "match": "equal", "value": $BAD}]}
	]}
END

# Hosts that behave notice nothing.
for size in 4000 60000; do
	in_host ping -q -c 2 -i 0.05 -W 2 -s $size 10.0.0.2 >/dev/null
	out_host ping -q -c 2 -i 0.05 -W 2 -s $size 10.0.0.1 >/dev/null
	in_host ping -q -c 2 -i 0.05 -W 2 -s $size fd00::2 >/dev/null
	out_host ping -q -c 2 -i 0.05 -W 2 -s $size fd00::1 >/dev/null
done
cross in out 10.0.0.2 65507
cross out in 10.0.0.1 65507
cross in out fd00::2 65000
cross out in fd00::1 65000
for reason in frag_overlap frag_inconsistent frag_duplicate frag_evicted frag_table_full frag_timeout filter; do
	equal "$reason" "$(drops $reason)" 0
done

# The rule looks at a port that one of 45 fragments has; none of them arrives.
out_host "$PYTHON" "$E2E_DIR/fragments.py" send 10.0.0.1 "$BAD" 65507 >/dev/null
eventually 3 test "$(hits bad4)" = 1
eventually 3 eval '[ "$(drops filter)" = 45 ]'
event=$(api GET '/v1/events?filter=bad4' | json '[len(it["items"]), it["items"][0]["destination_port"]]')
equal "one event" "$event" "[1, $BAD]"

# Hosts that do not behave: what the sockets get is what was judged.
receiver in 10.0.0.1 "$TMP/got4"
pid4=$!
receiver in fd00::1 "$TMP/got6"
pid6=$!
mac=$(ip -n in -json link show eth0 | json 'it[0]["address"]')
out_host "$PYTHON" "$E2E_DIR/fragments.py" attack eth0 "$mac" "$GOOD" "$BAD" >"$TMP/wanted"
wait "$pid4" "$pid6"
equal "datagrams that arrived" "$(cat "$TMP/got4" "$TMP/got6")" "$(cat "$TMP/wanted")"
at_least "overlaps" "$(drops frag_overlap)" 2
at_least "contradictions" "$(drops frag_inconsistent)" 2
at_least "duplicates" "$(drops frag_duplicate)" 2
at_least "late fragments" "$(drops frag_ended)" 2
equal "blocked" "$(hits bad4) $(hits bad6)" "2 1"

# What never becomes whole is gone when its time is over, and the hosts go on.
eventually 10 eval '[ "$(drops frag_timeout)" -ge 2 ]'
eventually 10 eval '[ "$(api GET /v1/flows/stats | json "it[\"fragments\"][\"held\"]")" = 0 ]'
in_host ping -q -c 1 -W 2 -s 4000 10.0.0.2 >/dev/null
adds_up inbound
adds_up outbound
stop_sluiced
