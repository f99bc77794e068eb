#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Plugins on a live link: reset answers the sender, ratelimit holds a rate, count counts; without its
# plugin a filter blocks.
. "$(dirname "$0")/_init.sh"

topology
start_sluiced <<'END'
{"provider_contexts": [{"key": "slow", "name": "Slow", "data": {"pps": 100, "burst": 20}}],
 "callouts": [
  {"key": "reset-out", "name": "Reset", "layer": "outbound_transport_v4", "plugin": "reset"},
  {"key": "limit-out", "name": "Limit", "layer": "outbound_transport_v4", "plugin": "ratelimit"},
  {"key": "count-in", "name": "Count", "layer": "inbound_transport_v4", "plugin": "count"},
  {"key": "missing", "name": "Missing", "layer": "outbound_transport_v4", "plugin": "nowhere"}],
 "filters": [
  {"key": "reset-2300", "name": "r", "layer": "outbound_transport_v4",
   "conditions": [{"field": "ip_remote_port", "match": "range", "value": [2300, 2399]}],
   "action": {"type": "callout_terminating", "callout": "reset-out"}},
  {"key": "slow-4000", "name": "s", "layer": "outbound_transport_v4", "provider_context": "slow",
   "conditions": [{"field": "ip_remote_port", "match": "equal", "value": 4000}],
   "action": {"type": "callout_terminating", "callout": "limit-out"}},
  {"key": "gone-5000", "name": "g", "layer": "outbound_transport_v4",
   "conditions": [{"field": "ip_remote_port", "match": "equal", "value": 5000}],
   "action": {"type": "callout_terminating", "callout": "missing"}},
  {"key": "count-all", "name": "c", "layer": "inbound_transport_v4",
   "action": {"type": "callout_inspection", "callout": "count-in"}}]}
END

counter() {
	api GET /v1/plugins | json "[p for p in it['items'] if p['key'] == '$1'][0]['counters']['$2']"
}

serve out tcp 2300
serve out udp 2301
serve out udp 4000
serve out udp 5000
serve out udp 6000
equal "TCP to 2300" "$(exchange in tcp 10.0.0.2 2300 || true)" "refused"
equal "UDP to 2301" "$(exchange in udp 10.0.0.2 2301 || true)" "refused"
equal "resets" "$(counter reset tcp_resets) $(counter reset icmp_unreachables)" "1 1"
equal "UDP to 5000, without its plugin" "$(exchange in udp 10.0.0.2 5000 || true)" "timed out"
at_least "unregistered" "$(api GET /v1/stats | json 'it["drops"]["callout_unregistered"]')" 1

before=$(counter count packets)
for _ in 1 2 3 4 5; do
	exchange in udp 10.0.0.2 6000 >/dev/null
done
equal "counted answers" "$(($(counter count packets) - before))" 5

# 2,000 datagrams in about a second against 100 a second: most go, but the burst and the rate pass.
in_host "$PYTHON" -c '
import socket, time
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(2000):
    out.sendto(b"x", ("10.0.0.2", 4000))
    time.sleep(0.0005)'
permitted=$(counter ratelimit permitted_packets)
blocked=$(counter ratelimit blocked_packets)
equal "judged" $((permitted + blocked)) 2000
at_least "permitted" "$permitted" 100
at_least "blocked" "$blocked" 1000

# Unloading makes its filters block in silence; loading again brings the answers back.
api DELETE /v1/plugins/reset >/dev/null
equal "TCP to 2300 without the plugin" "$(exchange in tcp 10.0.0.2 2300 || true)" "timed out"
api POST /v1/plugins "{\"path\": \"$(realpath "$BUILD/callouts/reset.so")\"}" >/dev/null
equal "TCP to 2300 again" "$(exchange in tcp 10.0.0.2 2300 || true)" "refused"
stop_sluiced
