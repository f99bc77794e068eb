#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What a filter blocks does not cross, and the filter's counters, the event and the explanation all name it.
. "$(dirname "$0")/_init.sh"

topology
start_sluiced <<'END'
{"sublayers": [{"key": "edge", "name": "Edge", "weight": 40000}],
 "filters": [
  {"key": "no-telnet", "name": "No telnet from outside", "layer": "inbound_transport_v4", "sublayer": "edge",
   "conditions": [
     {"field": "ip_protocol", "match": "equal", "value": 6},
     {"field": "ip_local_port", "match": "equal", "value": 23}],
   "action": "block"},
  {"key": "no-dns-out", "name": "No DNS to outside", "layer": "outbound_transport_v4", "sublayer": "edge",
   "conditions": [
     {"field": "ip_protocol", "match": "equal", "value": 17},
     {"field": "ip_remote_port", "match": "equal", "value": 53}],
   "action": "block"}]}
END

serve in tcp 23
serve in tcp 80
serve out tcp 23
serve out udp 53
serve out udp 5353
exchange out tcp 10.0.0.1 80 >/dev/null
exchange in tcp 10.0.0.2 23 >/dev/null
exchange in udp 10.0.0.2 5353 >/dev/null
equal "telnet from outside" "$(exchange out tcp 10.0.0.1 23 || true)" "timed out"
equal "DNS to outside" "$(exchange in udp 10.0.0.2 53 || true)" "timed out"
# The filters are for IPv4 only.
exchange out tcp fd00::1 23 >/dev/null

at_least "hits of no-telnet" "$(hits no-telnet)" 1
equal "hits of no-dns-out" "$(hits no-dns-out)" 1

event=$(api GET /v1/events | json '[e for e in it["items"] if e.get("filter") == "no-telnet"][0]')
contains "event" "$event" "'type': 'classify_drop'"
contains "event" "$event" "'direction': 'inbound'"
contains "event" "$event" "'layer': 'inbound_transport_v4'"
contains "event" "$event" "'sublayer': 'edge'"
contains "event" "$event" "'ip_source': '10.0.0.2'"
contains "event" "$event" "'destination_port': 23"

frame=$("$PYTHON" -c '
from scapy.all import Ether, IP, TCP
print(bytes(Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01") /
            IP(src="10.0.0.2", dst="10.0.0.1") / TCP(sport=40000, dport=23, flags="S")).hex())')
answer=$(api POST /v1/explain "{\"packet\": \"$frame\", \"direction\": \"inbound\"}")
equal "explained verdict" "$(json 'it["verdict"], it["layer"], it["sublayer"], it["filter"]' <<<"$answer")" \
	"('block', 'inbound_transport_v4', 'edge', 'no-telnet')"
equal "engines agree" "$(json 'it["engines_agree"]' <<<"$answer")" True
equal "explaining counts nothing" "$(hits no-dns-out)" 1

reasons=$(api GET /v1/stats | json 'it["drops"]')
contains "drops" "$reasons" "'filter':"
adds_up inbound
stop_sluiced
