#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Runs the end-to-end tests, all or those named: tests/e2e/run.sh [NAME...]
#
# Prints "ok NAME (SECONDS s)" or "not ok NAME" and what the test said. Exit status 0 when all passed.
# SLUICE_BUILD  build folder, build/ unless given
set -u
cd "$(dirname "$0")" || exit 1
failed=0

if [ "$(id -u)" -ne 0 ]; then
	echo "not ok e2e: needs root for network namespaces"
	exit 1
fi
[ $# -gt 0 ] || set -- *_test.sh
for test in "$@"; do
	name=$(basename "$test" _test.sh)
	log=$(mktemp)
	before=$(date +%s)
	if timeout --kill-after=5 120 bash "./${name}_test.sh" >"$log" 2>&1 </dev/null; then
		echo "ok $name ($(($(date +%s) - before)) s)"
	else
		failed=$((failed + 1))
		echo "not ok $name"
		sed 's/^/    /' "$log"
	fi
	rm -f "$log"
done
[ "$failed" -eq 0 ]
