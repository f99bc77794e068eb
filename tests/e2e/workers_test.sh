#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Several workers share two links: flows spread over the queues, each flow stays in order, counts add up.
. "$(dirname "$0")/_init.sh"

topology
add_link lan-in in eth1 1500
add_link lan-out out eth1 1500
address in eth1 1 1
address out eth1 2 1
LINKS='[{"name": "wan", "inside": "af_packet:inside", "outside": "af_packet:outside"},
        {"name": "lan", "inside": "af_packet:lan-in", "outside": "af_packet:lan-out"}]'
configure '"workers": 3'
start_sluiced <<'END'
{"filters": [
  {"key": "count-udp", "name": "all UDP", "layer": "outbound_transport_v4",
   "conditions": [{"field": "ip_protocol", "match": "equal", "value": 17}], "action": "permit"}]}
END

contains "merging" "$(box ethtool -k inside | grep '^generic-receive-offload')" ": off"
equal "workers" "$(api GET /v1/stats | json 'len(it["workers"])')" 3
equal "workers of a link" "$(api GET /v1/links | json 'sorted(it["items"][0]["workers"])')" "[0, 1, 2]"
out_host iperf3 --server --daemon --pidfile "$TMP/iperf.pid" >/dev/null
eventually 5 out_host "$PYTHON" "$E2E_DIR/exchange.py" listening tcp 5201
in_host iperf3 -c 10.0.0.2 --time 1 --parallel 8 >/dev/null
before=$(kernel_losses)
result=$(in_host iperf3 -c 10.1.0.2 --udp --bitrate 2M --parallel 16 --length 500 --time 2 --json)
explained "datagrams lost" "$(json 'it["end"]["sum"]["lost_packets"]' <<<"$result")" "$before"
equal "datagrams that arrived damaged" "$(udp_counter out InCsumErrors)" 0
equal "out of order" "$(json 'sum(s["udp"]["out_of_order"] for s in it["end"]["streams"])' <<<"$result")" 0
# Every datagram that came was counted once, whichever worker had it (16 more open the streams).
sent=$(json 'it["end"]["sum"]["packets"]' <<<"$result")
at_least "hits" "$(hits count-udp)" $((sent - ($(kernel_losses) - before)))
busy=$(api GET /v1/stats | json 'sum(w["bursts"] > 0 for w in it["workers"])')
at_least "workers that worked" "$busy" 2
in_host ping -q -c 3 -i 0.1 -W 1 -s 4000 10.0.0.2 >/dev/null
in_host ping -q -c 3 -i 0.1 -W 1 -s 4000 10.1.0.2 >/dev/null
for link in wan lan; do
	for direction in inbound outbound; do
		adds_up $direction $link
		equal "dropped $direction on $link" "$(link_counter $direction dropped $link)" 0
	done
done
stop_sluiced
