#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# IPv6: neighbour discovery crosses by itself, ICMPv6 and fragments do, and a filter stops what it names.
. "$(dirname "$0")/_init.sh"

topology
start_sluiced <<'END'
{"filters": [
  {"key": "no-http6", "name": "No HTTP over IPv6", "layer": "outbound_transport_v6",
   "conditions": [
     {"field": "ip_remote_address", "match": "equal", "value": "fd00::/64"},
     {"field": "ip_protocol", "match": "equal", "value": 6},
     {"field": "ip_remote_port", "match": "equal", "value": 80}],
   "action": "block"}]}
END

in_host ip -6 neigh flush dev eth0
eventually 5 in_host ping -q -c 1 -W 1 fd00::2
in_host ip -6 neigh show fd00::2 | grep -q lladdr || fail "no neighbour was discovered"
in_host ping -q -c 3 -i 0.1 -W 1 -s 4000 fd00::2 >/dev/null
out_host ping -q -c 3 -i 0.1 -W 1 -s 4000 fd00::1 >/dev/null
# Link-local addresses and all-nodes multicast.
in_host ping -q -c 2 -i 0.1 -W 1 ff02::1%eth0 >/dev/null
serve out tcp 80
serve out tcp 8080
exchange in tcp fd00::2 8080 >/dev/null
exchange in tcp 10.0.0.2 80 >/dev/null
equal "HTTP over IPv6" "$(exchange in tcp fd00::2 80 || true)" "timed out"
at_least "hits of no-http6" "$(hits no-http6)" 1
stop_sluiced
