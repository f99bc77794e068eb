#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Several workers, nothing may come in unasked: a question to a group, or to everybody, is answered by forty hosts, whose
# packets the wire deals out to all workers, for four seconds and at the port that asked alone.
. "$(dirname "$0")/_init.sh"

N=40
GROUP=239.9.9.9
GROUP6=ff12::99

# heard SOURCE DESTINATION SIZE DELAY OFFSET [MODE]: of how many hosts
heard() {
	in_host "$PYTHON" "$E2E_DIR/questions.py" ask "$1" "$2" 5353 "${@:3}"
}

flow_counter() {
	api GET /v1/flows/stats | json "it['counters']['$1']"
}

# start_answers GROUP ADDRESS...
start_answers() {
	ip netns exec out "$PYTHON" "$E2E_DIR/questions.py" serve eth0 "$1" 5353 "${@:2}" >"$TMP/answers" &
	ANSWERS=$!
	eventually 5 grep -q ready "$TMP/answers"
}

stop_answers() {
	kill "$ANSWERS"
	wait "$ANSWERS" 2>/dev/null || true
}

# configure_questions MULTICAST
configure_questions() {
	configure "\"workers\": 3, \"flows\": {\"multicast\": \"$1\"}"
}

topology
add_link lan-in in eth1 1500
add_link lan-out out eth1 1500
for i in $(seq 10 $((9 + N))); do
	ip -n out addr add "10.0.0.$i/24" dev eth0
	ip -n out addr add "fd00::$i/64" dev eth0 nodad
	HOSTS="${HOSTS:-} 10.0.0.$i"
	HOSTS6="${HOSTS6:-} fd00::$i"
done
in_host ip route add 255.255.255.255/32 dev eth0
LINKS='[{"name": "wan", "inside": "af_packet:inside", "outside": "af_packet:outside", "flow_zone": 7},
        {"name": "lan", "inside": "af_packet:lan-in", "outside": "af_packet:lan-out", "flow_zone": 7}]'
configure_questions allow
start_sluiced <<'END'
{"filters": [
  {"key": "unasked4", "name": "Unasked", "layer": "ale_auth_recv_accept_v4", "action": "block"},
  {"key": "unasked6", "name": "Unasked", "layer": "ale_auth_recv_accept_v6", "action": "block"},
  {"key": "neighbours", "name": "Neighbours", "layer": "ale_auth_recv_accept_v6", "weight": {"range": 9},
   "conditions": [{"field": "ip_protocol", "match": "equal", "value": 58}], "action": "permit"}]}
END
equal "workers" "$(api GET /v1/links | json '[l["workers"] for l in it["items"]]')" "[[0, 1, 2], [0, 1, 2]]"

# Whoever answers, by whichever worker, in one piece or in three.
start_answers $GROUP $HOSTS
equal "hosts heard" "$(heard 10.0.0.1 $GROUP 100 0 0)" $N
equal "of everybody" "$(heard 10.0.0.1 255.255.255.255 100 0 0)" $N
equal "in fragments" "$(heard 10.0.0.1 $GROUP 4000 0 0)" $N
equal "after three seconds" "$(heard 10.0.0.1 $GROUP 100 3 0)" $N
at_least "packets handed over" "$(flow_counter handed_over)" $N
equal "flows of answers" \
	"$(api GET '/v1/flows?limit=500&protocol=17' | json '[f for f in it["items"] if f["remote_address"]]')" "[]"

# Neither too late nor at another port.
equal "after the time" "$(heard 10.0.0.1 $GROUP 100 4.5 0)" 0
equal "at another port" "$(heard 10.0.0.1 $GROUP 100 0 1)" 0
at_least "taken for strangers" "$(hits unasked4)" $((2 * N))

# The question has no rights under a later policy, and an answer is judged by that where the rest of its flow comes.
heard 10.0.0.1 $GROUP 100 1.5 0 talk >"$TMP/heard" &
ASKER=$!
sleep 0.7
api PUT /v1/filters/nobody '{"name": "Nobody is called", "layer": "ale_auth_connect_v4", "action": "block",
	"conditions": [{"field": "ip_remote_address", "match": "equal", "value": "10.0.0.0/24"}]}' >/dev/null
api PUT /v1/filters/anybody '{"name": "Anybody may call", "layer": "ale_auth_recv_accept_v4", "action": "permit",
	"weight": {"range": 9}}' >/dev/null
wait "$ASKER"
equal "who called was answered" "$(cat "$TMP/heard")" $N
equal "taken for calls" "$(hits nobody)" 0
api DELETE /v1/filters/anybody >/dev/null
api DELETE /v1/filters/nobody >/dev/null

# The answers come by the other link of the zone.
for ns in in out; do
	ip netns exec $ns sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0
done
out_host ip route add 10.0.0.1/32 dev eth1
out_host ip neigh add 10.0.0.1 lladdr "$(ip -n in -json link show eth1 | json 'it[0]["address"]')" dev eth1 nud permanent
equal "by the other link" "$(heard 10.0.0.1 $GROUP 100 0 0)" $N
at_least "answers there" "$(link_counter inbound tx_packets lan)" $N
stop_answers

start_answers $GROUP6 $HOSTS6
equal "IPv6" "$(heard fd00::1 $GROUP6%eth0 100 0 0)" $N
equal "IPv6 in fragments" "$(heard fd00::1 $GROUP6%eth0 4000 0 0)" $N
equal "IPv6 at another port" "$(heard fd00::1 $GROUP6%eth0 100 0 1)" 0
stop_answers
for direction in inbound outbound; do
	adds_up $direction wan
	adds_up $direction lan
done
stop_sluiced

# Where answers to groups need a permit of their own, nobody is looked for.
configure_questions deny
start_sluiced -
start_answers $GROUP6 $HOSTS6
equal "denied" "$(heard fd00::1 $GROUP6%eth0 100 0 0)" 0
stop_answers
stop_sluiced
