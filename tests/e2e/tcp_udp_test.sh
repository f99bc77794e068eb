#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Real TCP and UDP flows, both ways at once, on one link: every byte arrives, nothing is dropped.
. "$(dirname "$0")/_init.sh"

topology
start_sluiced <<<'{}'

out_host iperf3 --server --daemon --pidfile "$TMP/iperf.pid" >/dev/null
eventually 5 out_host "$PYTHON" "$E2E_DIR/exchange.py" listening tcp 5201

sent=$(in_host iperf3 -c 10.0.0.2 --time 2 --json | json 'it["end"]["sum_received"]["bytes"]')
at_least "bytes over TCP" "$sent" 10000000
sent=$(in_host iperf3 -c 10.0.0.2 --time 2 --reverse --json | json 'it["end"]["sum_received"]["bytes"]')
at_least "bytes over TCP, reverse" "$sent" 10000000
before=$(kernel_losses)
lost=$(in_host iperf3 -c 10.0.0.2 --udp --bitrate 50M --length 1200 --time 2 --json | json 'it["end"]["sum"]["lost_packets"]')
explained "datagrams lost" "$lost" "$before"
equal "datagrams that arrived damaged" "$(udp_counter out InCsumErrors)" 0
in_host iperf3 -6 -c fd00::2 --time 1 >/dev/null
in_host iperf3 -c 10.0.0.2 --time 1 --bidir >/dev/null

for direction in inbound outbound; do
	equal "dropped $direction" "$(link_counter $direction dropped)" 0
	adds_up $direction
done
stop_sluiced
