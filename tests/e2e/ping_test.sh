#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# ARP and ICMP cross in both directions; fragments do, whole; counts add up.
. "$(dirname "$0")/_init.sh"

topology
start_sluiced <<<'{}'

in_host ping -q -c 3 -i 0.1 -W 1 10.0.0.2 >/dev/null
out_host ping -q -c 3 -i 0.1 -W 1 10.0.0.1 >/dev/null
# Three fragments each way.
in_host ping -q -c 5 -i 0.1 -W 1 -s 4000 10.0.0.2 >/dev/null
out_host ping -q -c 5 -i 0.1 -W 1 -s 4000 10.0.0.1 >/dev/null
in_host ping -q -c 5 -i 0.1 -W 1 -s 65507 10.0.0.2 >/dev/null

for direction in inbound outbound; do
	adds_up $direction
	equal "dropped $direction" "$(link_counter $direction dropped)" 0
	at_least "packets $direction" "$(link_counter $direction rx_packets)" 260
done
stop_sluiced
