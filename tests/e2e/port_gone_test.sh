#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A port that disappears is reported and does not disturb the others; it is used again when it is back.
. "$(dirname "$0")/_init.sh"

state() {
	api GET /v1/ports | json "[p['state'] for p in it['items'] if p['key'] == '$1'][0]"
}

is_state() {
	[ "$(state "$1")" = "$2" ]
}

topology
add_link lan-in in eth1 1500
add_link lan-out out eth1 1500
address in eth1 1 1
address out eth1 2 1
LINKS='[{"name": "wan", "inside": "af_packet:inside", "outside": "af_packet:outside"},
        {"name": "lan", "inside": "af_packet:lan-in", "outside": "af_packet:lan-out"}]'
start_sluiced <<<'{}'
in_host ping -q -c 1 -W 1 10.0.0.2 >/dev/null
in_host ping -q -c 1 -W 1 10.1.0.2 >/dev/null

# Carrier.
in_host ip link set eth1 down
eventually 5 is_state lan.inside down
in_host ip link set eth1 up
eventually 5 is_state lan.inside up
in_host ip -4 addr flush dev eth1
address in eth1 1 1 2>/dev/null || true
eventually 5 in_host ping -q -c 1 -W 1 10.1.0.2

ip -n box link del lan-out
eventually 5 is_state lan.outside gone
grep -q "lan.outside (af_packet:lan-out): interface disappeared" "$TMP/sluiced.log" || fail "not in the log"
refuses in_host ping -q -c 2 -i 0.1 -W 1 10.1.0.2
in_host ping -q -c 5 -i 0.05 -W 1 10.0.0.2 >/dev/null
at_least "packets for the port that is gone" \
	"$(api GET /v1/stats | json 'it["drops"].get("tx_port_down", 0)')" 1

add_link lan-out out eth1 1500
address out eth1 2 1
eventually 5 is_state lan.outside up
# The new interface has a new address.
in_host ip neigh flush dev eth1
eventually 5 in_host ping -q -c 1 -W 1 10.1.0.2
in_host ping -q -c 1 -W 1 10.0.0.2 >/dev/null
stop_sluiced
