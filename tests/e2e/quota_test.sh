#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Contexts of flows on a live link: connections end when they have moved their bytes; the plugin that counts them goes
# while one of them is in the middle, which then goes on without a quota, and comes back for new ones.
. "$(dirname "$0")/_init.sh"

QUOTA=300000
topology
start_sluiced <<END
{"provider_contexts": [{"key": "little", "name": "Little", "data": {"bytes": $QUOTA}}],
 "callouts": [
  {"key": "new", "name": "New", "layer": "ale_flow_established_v4", "plugin": "quota"},
  {"key": "more", "name": "More", "layer": "stream_packet_v4", "plugin": "quota"}],
 "filters": [
  {"key": "give", "name": "g", "layer": "ale_flow_established_v4", "provider_context": "little",
   "conditions": [{"field": "ip_remote_port", "match": "equal", "value": 7000}],
   "action": {"type": "callout_unknown", "callout": "new"}},
  {"key": "count", "name": "c", "layer": "stream_packet_v4", "action": {"type": "callout_unknown", "callout": "more"}}]}
END

# of_quota EXPRESSION about the plugin as it is listed
of_quota() {
	api GET /v1/plugins | json "[p for p in it['items'] if p['key'] == 'quota'][0]$1"
}

has_contexts() {
	[ "$(of_quota "['statistics']['flow_contexts']")" -eq "$1" ]
}

# Takes all that comes and says how much that was.
cat >"$TMP/sink.py" <<'END'
import socket, sys
server = socket.create_server(("", int(sys.argv[1])))
print("ready", flush=True)
connection, _ = server.accept()
server.close()
total = 0
connection.settimeout(20)
try:
    while chunk := connection.recv(65536):
        total += len(chunk)
        open(sys.argv[2], "w").write(str(total))
except OSError:
    pass
END

# Connects, and sends as many bytes as it reads from a pipe.
cat >"$TMP/source.py" <<'END'
import socket, sys
client = socket.create_connection(("10.0.0.2", int(sys.argv[1])), 5)
client.settimeout(5)
try:
    for line in sys.stdin:
        client.sendall(bytes(int(line)))
except OSError:
    sys.exit(1)
END

# sink PORT: what came is in $TMP/PORT
sink() {
	echo 0 >"$TMP/$1"
	: >"$TMP/ready"
	ip netns exec out "$PYTHON" "$TMP/sink.py" "$1" "$TMP/$1" >"$TMP/ready" &
	eventually 5 grep -q ready "$TMP/ready"
}

came() {
	[ "$(cat "$TMP/$1")" -ge "$2" ]
}

# Within the quota everything comes; a megabyte does not, and less than the quota of it does.
sink 7000
echo 100000 | in_host "$PYTHON" "$TMP/source.py" 7000
eventually 5 came 7000 100000
equal "flows with a quota" "$(of_quota "['counters']['flows']")" 1
equal "used up" "$(of_quota "['counters']['used_up']")" 0
sink 7000
echo 1000000 | in_host "$PYTHON" "$TMP/source.py" 7000 || true
eventually 5 has_contexts 1 # of the first one, which waits for its end
came 7000 $((QUOTA / 4)) || fail "only $(cat "$TMP/7000") bytes came"
! came 7000 $QUOTA || fail "$(cat "$TMP/7000") bytes came"
at_least "used up" "$(of_quota "['counters']['used_up']")" 1
contains "ended flows" "$(api GET '/v1/flows?port=7000')" '"revoked":true'
sink 7001
echo 1000000 | in_host "$PYTHON" "$TMP/source.py" 7001
eventually 5 came 7001 1000000

# A connection in the middle: the plugin goes, and takes what it keeps for it along.
sink 7000
mkfifo "$TMP/more"
ip netns exec in "$PYTHON" "$TMP/source.py" 7000 <"$TMP/more" &
exec 9>"$TMP/more"
echo 100000 >&9
eventually 5 came 7000 100000
at_least "contexts" "$(of_quota "['statistics']['flow_contexts']")" 1
api DELETE /v1/plugins/quota >/dev/null
equal "contexts of what is unloaded" "$(of_quota "['statistics']['flow_contexts']")" 0
api DELETE /v1/filters/count >/dev/null # without its plugin it blocks
echo 1000000 >&9
eventually 10 came 7000 1100000
exec 9>&-
api POST /v1/plugins "{\"path\": \"$(realpath "$BUILD/callouts/quota.so")\"}" >/dev/null
equal "loaded again" "$(of_quota "['state']")" loaded
sink 7000
echo 1000 | in_host "$PYTHON" "$TMP/source.py" 7000
eventually 5 came 7000 1000
at_least "contexts again" "$(of_quota "['statistics']['flow_contexts']")" 1
stop_sluiced
