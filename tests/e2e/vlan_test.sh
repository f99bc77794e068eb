#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# VLAN tags cross as they are - one, two, 802.1ad's own type, with priorities - and filters can tell VLANs apart.
# Frames are made and compared byte by byte, because not every kernel has VLAN interfaces.
. "$(dirname "$0")/_init.sh"

# cross FRAMES: sends them inside, prints the numbers of those that arrive outside unchanged.
cross() {
	ip netns exec out "$PYTHON" "$E2E_DIR/frames.py" receive eth0 "$@" >"$TMP/arrived" &
	local receiver=$!
	eventually 5 grep -q ready "$TMP/arrived"
	in_host "$PYTHON" "$E2E_DIR/frames.py" send eth0 "$@"
	wait $receiver
	grep -v ready "$TMP/arrived" | tr '\n' ' '
}

topology
start_sluiced <<'END'
{"filters": [
  {"key": "no-vlan-200", "name": "VLAN 200 stays inside", "layer": "outbound_mac_frame_ethernet",
   "conditions": [{"field": "x_vlan_vid", "match": "equal", "value": 200}], "action": "block"},
  {"key": "no-9-in-300", "name": "port 9 in VLAN 300", "layer": "outbound_transport_v4",
   "conditions": [{"field": "x_vlan_vid", "match": "equal", "value": 300},
                  {"field": "ip_remote_port", "match": "equal", "value": 9}], "action": "block"}]}
END

# TAG.TAG:PORT:PAYLOAD; a tag is TYPE-TCI in hexadecimal.
equal "frames that arrive" "$(cross \
	:9:100 \
	8100-0064:9:100 \
	8100-a064:9:100 \
	88a8-000a:9:100 \
	88a8-000a.8100-012c:9:100 \
	8100-000a.8100-000b:9:100 \
	8100-0064:9:1472 \
	88a8-000a.8100-0064:9:1464 \
	8100-00c8:9:100 \
	8100-012c:9:100 \
	8100-012c:10:100)" "0 1 2 3 4 5 6 7 10 "
equal "hits of no-vlan-200" "$(hits no-vlan-200)" 1
equal "hits of no-9-in-300" "$(hits no-9-in-300)" 1
equal "dropped" "$(link_counter outbound dropped)" 2
stop_sluiced
