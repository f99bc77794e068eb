#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Other devices than packet sockets carry real traffic, too: af_xdp, tap, and memif between two daemons.
. "$(dirname "$0")/_init.sh"

dropped() {
	echo $(($(link_counter outbound dropped) + $(link_counter inbound dropped)))
}

# Interfaces come up one after the other, and speak at once: what the other side cannot take yet does not count.
crosses() {
	eventually 5 in_host ping -q -c 1 -W 1 10.0.0.2
	local before
	before=$(dropped)
	in_host ping -q -c 3 -i 0.1 -W 1 -s 4000 10.0.0.2 >/dev/null
	serve out tcp "$1"
	equal "answer" "$(exchange in tcp 10.0.0.2 "$1" || true)" pong
	equal "dropped" "$(dropped)" "$before"
}

topology
# Checksums left to a NIC are completed by our own ports only.
in_host ethtool -K eth0 tx off >/dev/null
out_host ethtool -K eth0 tx off >/dev/null
LINKS='[{"name": "wan", "inside": "af_xdp:inside", "outside": "af_xdp:outside"}]'
configure '"poll": "busy"'
start_sluiced <<<'{}'
equal "driver" "$(api GET /v1/ports | json 'it["items"][0]["driver"]')" net_af_xdp
crosses 1001
stop_sluiced

# inside - daemon - memif - second daemon - outside
LINKS="[{\"name\": \"wan\", \"inside\": \"af_packet:inside\", \"outside\": \"memif:role=server,socket=$TMP/memif.sock,socket-abstract=no\"}]"
configure
start_sluiced -
first=$SLUICED_PID
first_socket=$SOCKET
SOCKET=$TMP/api2.sock
LINKS="[{\"name\": \"wan\", \"inside\": \"memif:role=client,socket=$TMP/memif.sock,socket-abstract=no\", \"outside\": \"af_packet:outside\"}]"
configure
start_sluiced -
crosses 1002
stop_sluiced
SLUICED_PID=$first
SOCKET=$first_socket
stop_sluiced

LINKS='[{"name": "wan", "inside": "tap:tap-in", "outside": "tap:tap-out"}]'
configure
start_sluiced -
ip -n in addr flush dev eth0
ip -n out addr flush dev eth0
ip -n box link set tap-in netns in
ip -n box link set tap-out netns out
address in tap-in 1
address out tap-out 2
ip -n in link set tap-in up
ip -n out link set tap-out up
crosses 1003
stop_sluiced
