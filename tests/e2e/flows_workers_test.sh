#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Several workers, two links, nothing may come in unasked: answers, ICMP errors and fragments find the worker that
# has their flow, so that none is taken for a stranger.
. "$(dirname "$0")/_init.sh"

N=60

# many NAMESPACE ARGUMENTS OF flows.py...
many() {
	local namespace=$1
	shift
	equal "unanswered ($*)" "$(ip netns exec "$namespace" "$PYTHON" "$E2E_DIR/flows.py" "$@")" 0
}

flow_counter() {
	api GET /v1/flows/stats | json "it['counters']['$1']"
}

topology
add_link lan-in in eth1 1500
add_link lan-out out eth1 1500
address in eth1 1 1
address out eth1 2 1
LINKS='[{"name": "wan", "inside": "af_packet:inside", "outside": "af_packet:outside"},
        {"name": "lan", "inside": "af_packet:lan-in", "outside": "af_packet:lan-out"}]'
configure '"workers": 3'
# Hosts speak of every error, and forward what is not for them.
for ns in in out; do
	ip netns exec $ns sysctl -q -w net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 net.ipv4.ip_forward=1
	ip netns exec $ns sysctl -q -w net.ipv4.icmp_msgs_per_sec=100000 net.ipv4.icmp_msgs_burst=10000 2>/dev/null || true
done
in_host ip route add 10.9.0.0/24 via 10.0.0.2
out_host ip route add 10.9.0.0/24 dev eth1
start_sluiced <<'END'
{"filters": [
  {"key": "unasked4", "name": "Unasked", "layer": "ale_auth_recv_accept_v4", "action": "block"},
  {"key": "unasked6", "name": "Unasked", "layer": "ale_auth_recv_accept_v6", "action": "block"},
  {"key": "neighbours", "name": "Neighbours", "layer": "ale_auth_recv_accept_v6", "weight": {"range": 9},
   "conditions": [{"field": "ip_protocol", "match": "equal", "value": 58}], "action": "permit"},
  {"key": "public", "name": "Public", "layer": "ale_auth_recv_accept_v4", "weight": {"range": 9},
   "conditions": [{"field": "ip_local_port", "match": "equal", "value": 7000}], "action": "permit"}]}
END

for ns in in out; do
	ip netns exec $ns "$PYTHON" "$E2E_DIR/flows.py" serve 7000 2>/dev/null &
	ip netns exec $ns "$PYTHON" "$E2E_DIR/flows.py" serve 7001 2>/dev/null &
done
for ns in in out; do
	eventually 5 ip netns exec $ns "$PYTHON" "$E2E_DIR/exchange.py" listening tcp 7000
	eventually 5 ip netns exec $ns "$PYTHON" "$E2E_DIR/exchange.py" listening tcp 7001
done

# From inside, on both links.
for address in 10.0.0.2 10.1.0.2 fd00::2; do
	many in tcp $address 7001 $N 3000
	many in udp $address 7001 $N 100
	# Three fragments there and back.
	many in udp $address 7001 $N 4000
	many in refused $address 7777 $N
done
many in expired 10.9.0.9 7777 $N
# From outside, where it is allowed; fragments of datagrams that open their flow.
many out tcp 10.0.0.1 7000 $N 3000
many out udp 10.0.0.1 7000 $N 4000
# Errors about what the inside host sends, and pings, whose fragments and whole packets are one flow.
in_host ping -q -c 3 -i 0.1 -W 1 -s 100 10.1.0.2 >/dev/null
in_host ping -q -c 3 -i 0.1 -W 1 -s 4000 10.1.0.2 >/dev/null
equal "taken for strangers" "$(hits unasked4) $(hits unasked6)" "0 0"
equal "dropped" "$(api GET /v1/stats | json 'it["drops"]')" "{}"

# And where it is not.
equal "from outside" "$(out_host "$PYTHON" "$E2E_DIR/flows.py" udp 10.0.0.1 7001 2 100)" 2
at_least "strangers" "$(hits unasked4)" 2

at_least "workers with flows" "$(api GET '/v1/flows?limit=500&protocol=6' | json 'len({f["worker"] for f in it["items"]})')" 3
at_least "packets handed over" "$(flow_counter handed_over)" $N
at_least "ICMP errors of flows" "$(flow_counter icmp_related)" $((4 * N))
at_least "datagrams put together" "$(flow_counter datagrams)" $((8 * N))
for link in wan lan; do
	for direction in inbound outbound; do
		adds_up $direction $link
	done
done
# A stop in the middle of it: workers wait for each other, and end.
in_host "$PYTHON" "$E2E_DIR/flows.py" udp 10.0.0.2 7001 $N 4000 >/dev/null 2>&1 &
in_host "$PYTHON" "$E2E_DIR/flows.py" refused 10.1.0.2 7777 $N >/dev/null 2>&1 &
sleep 0.2
stop_sluiced
