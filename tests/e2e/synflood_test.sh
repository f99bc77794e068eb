#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A flood of SYNs to a port that is open: connections that are there go on, each of them in any five seconds; none of
# their flows is lost, memory stays as it was, and a new connection finds a place.
#
# SYNFLOOD_SECONDS  5 unless given
# SYNFLOOD_PPS      frames a second, 100,000 unless given; 0: as many as go
. "$(dirname "$0")/_init.sh"

SECONDS_OF_FLOOD=${SYNFLOOD_SECONDS:-5}
RATE=${SYNFLOOD_PPS:-100000}
CONNECTIONS=50
MAX=20000

memory() {
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$SLUICED_PID/status"
}

flow_stats() {
	api GET /v1/flows/stats | json "it$1"
}

established() {
	api GET '/v1/flows?limit=1000&protocol=6&state=established' | json "len(it['items'])"
}

topology
configure "\"workers\": 1, \"flows\": {\"max\": $MAX}"
start_sluiced <<'END'
{"filters": [
  {"key": "unasked", "name": "Unasked", "layer": "ale_auth_recv_accept_v4", "action": "block"},
  {"key": "public", "name": "Public", "layer": "ale_auth_recv_accept_v4", "weight": {"range": 9},
   "conditions": [{"field": "ip_local_port", "match": "equal", "value": 7000}], "action": "permit"}]}
END
for ns in in out; do
	ip netns exec $ns "$PYTHON" "$E2E_DIR/flows.py" serve 7000 2>/dev/null &
	eventually 5 ip netns exec $ns "$PYTHON" "$E2E_DIR/exchange.py" listening tcp 7000
done
# From both sides; they speak until the flood is over, and once more.
in_host "$PYTHON" "$E2E_DIR/flows.py" hold 10.0.0.2 7000 $CONNECTIONS $((SECONDS_OF_FLOOD + 3)) >"$TMP/held-in" &
inside=$!
out_host "$PYTHON" "$E2E_DIR/flows.py" hold 10.0.0.1 7000 $CONNECTIONS $((SECONDS_OF_FLOOD + 3)) >"$TMP/held-out" &
outside=$!
eventually 10 grep -q ready "$TMP/held-in"
eventually 10 grep -q ready "$TMP/held-out"
equal "established before" "$(established)" $((2 * CONNECTIONS))
before=$(memory)

# To an address of nobody on that network: the inside host need not answer.
sent=$(out_host "$PYTHON" "$E2E_DIR/synflood.py" eth0 02:00:00:00:00:55 10.0.0.1 7000 "$SECONDS_OF_FLOOD" "$RATE")
at_least "SYNs" "$sent" $((SECONDS_OF_FLOOD * 10000))
equal "established behind the flood" "$(established)" $((2 * CONNECTIONS))
full=$(flow_stats '["flows"]')
evicted=$(flow_stats '["counters"]["ended"]["evicted"]')
many() {
	equal "unanswered ($*)" "$(ip netns exec "$1" "$PYTHON" "$E2E_DIR/flows.py" "${@:2}")" 0
}
many in tcp 10.0.0.2 7000 5 100
many out tcp 10.0.0.1 7000 5 100
grown=$(($(memory) - before))
wait $inside
wait $outside
equal "connections from inside that failed" "$(tail -1 "$TMP/held-in")" 0
equal "connections from outside that failed" "$(tail -1 "$TMP/held-out")" 0
# Any five seconds, on either side.
silence() {
	tail -2 "$TMP/held-$1" | head -1
}
at_least "5,000 ms to the longest silence of a connection from inside" 5000 "$(silence in)"
at_least "5,000 ms to the longest silence of a connection from outside" 5000 "$(silence out)"
# More came than fit: embryonic flows gave way to each other.
at_least "flows at the end" "$full" $((MAX * 3 / 4))
at_least "room" $MAX "$full"
at_least "gave way" "$evicted" 1
# A filter's counters and the log of events may take pages; flows may not.
at_least "4 MB of room for memory to grow" 4096 "$grown"
adds_up inbound
echo "$sent SYNs in $SECONDS_OF_FLOOD s, $(link_counter inbound rx_packets) came; $full flows, $evicted gave way, memory +$grown kB," \
	"longest silence $(silence in) and $(silence out) ms"
stop_sluiced
