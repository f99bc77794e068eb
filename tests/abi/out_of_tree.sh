#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Builds the example callout outside the tree, against installed headers and nothing else.
#
# Usage: tests/abi/out_of_tree.sh SOURCE_DIR BUILD_DIR TRY_EXAMPLE
set -eu

source=$(realpath "$1") build=$(realpath "$2") try=$(realpath "$3")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dest=$work/dest
umask 022

fail()
{
	echo "out_of_tree: $*" >&2
	exit 1
}

meson install -C "$build" --no-rebuild --tags devel --destdir "$dest" >"$work/install.log" ||
	{ cat "$work/install.log"; fail "meson install failed"; }
prefix=$(dirname "$(dirname "$(find "$dest" -path '*/include/sluice')")")
include=$prefix/include
mkdir "$work/example"
cp "$source"/lib/sdk/example/* "$work/example"
cd "$work/example"

# What the object may show and need.
check_object()
{
	exported=$(nm -D --defined-only "$1" | awk '{print $3}')
	[ "$exported" = sluice_callout ] || fail "$1 exports: $exported"
	needed=$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
	[ "$needed" = libc.so.6 ] || fail "$1 needs: $needed"
}

for cc in gcc clang; do
	command -v "$cc" >/dev/null || { echo "$cc: not here, not tried"; continue; }
	"$cc" -std=c11 -Wall -Wextra -Werror -I"$include" -shared -fPIC -H \
		-o "$cc.so" ttl_guard.c 2>"$cc.headers" || { cat "$cc.headers"; fail "$cc failed"; }
	if sed -n 's/^\.* //p' "$cc.headers" | grep -E '/rte_|/sl_|jansson|microhttpd'; then
		fail "$cc: the headers above are not the plugin's business"
	fi
	grep -q "$include/sluice/sluice_types.h" "$cc.headers" || fail "$cc: other headers than installed"
	check_object "$cc.so"
	"$try" "$work/example/$cc.so"
done

# The way that the guide shows.
pc=$(find "$dest" -name sluice-callout.pc)
PKG_CONFIG_LIBDIR=$(dirname "$pc") PKG_CONFIG_SYSROOT_DIR=$dest make -s ttl_guard.so
check_object ttl_guard.so
"$try" "$work/example/ttl_guard.so"
make -s install DESTDIR="$work/installed" CALLOUTDIR=/callouts
"$try" "$work/installed/callouts/ttl_guard.so"
