#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two links, questions by one and answers by the other: links of one zone share flows, others do not.
. "$(dirname "$0")/_init.sh"

N=40

# configure_zones ZONE ZONE
configure_zones() {
	LINKS="[{\"name\": \"wan\", \"inside\": \"af_packet:inside\", \"outside\": \"af_packet:outside\", \"flow_zone\": $1},
	        {\"name\": \"lan\", \"inside\": \"af_packet:lan-in\", \"outside\": \"af_packet:lan-out\", \"flow_zone\": $2}]"
	configure '"workers": 3'
}

ask() {
	in_host "$PYTHON" "$E2E_DIR/flows.py" "$1" 10.0.0.2 7001 $N "$2" 2>/dev/null
}

mac() {
	ip -n "$1" -json link show "$2" | json 'it[0]["address"]'
}

topology
add_link lan-in in eth1 1500
add_link lan-out out eth1 1500
# What 10.0.0.1 sends leaves by eth0, its answers come back by eth1.
for ns in in out; do
	ip netns exec $ns sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0
done
out_host ip route add 10.0.0.1/32 dev eth1 src 10.0.0.2
out_host ip neigh add 10.0.0.1 lladdr "$(mac in eth1)" dev eth1 nud permanent
in_host ip neigh add 10.0.0.2 lladdr "$(mac out eth0)" dev eth0 nud permanent
out_host "$PYTHON" "$E2E_DIR/flows.py" serve 7001 2>/dev/null &
eventually 5 out_host "$PYTHON" "$E2E_DIR/exchange.py" listening tcp 7001

configure_zones 7 7
start_sluiced <<'END'
{"filters": [
  {"key": "unasked", "name": "Unasked", "layer": "ale_auth_recv_accept_v4", "action": "block"},
  {"key": "moved", "name": "Answers by another link", "layer": "ale_auth_connect_v4", "action": "permit",
   "conditions": [{"field": "reauthorize_reason", "match": "flags_all_set", "value": ["new_arrival_interface"]}]}]}
END
equal "workers" "$(api GET /v1/links | json '[l["workers"] for l in it["items"]]')" "[[0, 1, 2], [0, 1, 2]]"
equal "unanswered over TCP" "$(ask tcp 3000)" 0
equal "unanswered over UDP" "$(ask udp 100)" 0
equal "unanswered in fragments" "$(ask udp 4000)" 0
equal "taken for strangers" "$(hits unasked)" 0
at_least "flows judged anew by the link of their answers" "$(hits moved)" $((3 * N))
at_least "questions" "$(link_counter outbound rx_packets wan)" $((3 * N))
at_least "answers" "$(link_counter inbound rx_packets lan)" $((3 * N))
equal "answers that came the other way" "$(link_counter inbound dropped wan)$(link_counter inbound dropped lan)" 00
stop_sluiced

configure_zones 7 8
start_sluiced -
equal "unanswered between zones" "$(in_host "$PYTHON" "$E2E_DIR/flows.py" udp 10.0.0.2 7001 3 100)" 3
at_least "taken for strangers" "$(hits unasked)" 3
stop_sluiced
