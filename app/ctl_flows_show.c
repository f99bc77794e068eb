/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl_flows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Flows for people. */

#define CELL 96

static const struct {
	uint64_t number;
	const char *name;
	bool has_ports;
} protocols[] = {
	{1, "icmp", false},
	{6, "tcp", true},
	{17, "udp", true},
	{33, "dccp", true},
	{47, "gre", false},
	{50, "esp", false},
	{58, "icmp6", false},
	{132, "sctp", true},
	{136, "udplite", true},
};

static void
add_protocol(struct ctl_table *table, uint64_t number)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(protocols); i++) {
		if (protocols[i].number == number) {
			ctl_table_add(table, protocols[i].name);
			return;
		}
	}
	ctl_table_addf(table, "%" PRIu64, number);
}

static bool
has_ports(uint64_t number)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(protocols); i++)
		if (protocols[i].number == number)
			return protocols[i].has_ports;
	return false;
}

/* "192.0.2.1:80", "[2001:db8::1]:80", the bare address where there are no ports, "*" for any. */
static void
format_end(const json_t *flow, const char *side, char text[CELL])
{
	const char *address = json_string_value(json_object_get(flow, side));
	char port[32];

	snprintf(port, sizeof(port), "%s_port", side);
	if (address == NULL)
		snprintf(text, CELL, "*");
	else if (!has_ports(ctl_number(flow, "protocol")))
		snprintf(text, CELL, "%s", address);
	else
		snprintf(text, CELL, strchr(address, ':') != NULL ? "[%s]:%s" : "%s:%s", address,
			ctl_text(flow, port));
}

static const char *
state_of(const json_t *flow)
{
	if (json_is_true(json_object_get(flow, "revoked")))
		return "revoked";
	if (json_is_true(json_object_get(flow, "pended")))
		return "pended";
	if (json_is_string(json_object_get(flow, "tcp_state")))
		return ctl_text(flow, "tcp_state");
	return json_is_true(json_object_get(flow, "replied")) ? "replied" : "new";
}

static void
add_both_ways(struct ctl_table *table, const json_t *flow, const char *member)
{
	const json_t *counts = json_object_get(flow, member);

	ctl_table_addf(table, "%" PRIu64 "/%" PRIu64, ctl_number(counts, "outbound"),
		ctl_number(counts, "inbound"));
}

/* "3.2s", "12m05s", "3h04m", "2d03h" */
static void
format_seconds(double seconds, char text[CELL])
{
	uint64_t s = (uint64_t)seconds;

	if (s < 60)
		snprintf(text, CELL, "%.1fs", seconds);
	else if (s < 3600)
		snprintf(text, CELL, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(text, CELL, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(text, CELL, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
}

static void
add_seconds(struct ctl_table *table, const json_t *flow, const char *member)
{
	char text[CELL];

	format_seconds(json_number_value(json_object_get(flow, member)), text);
	ctl_table_add(table, text);
}

static void
add_flow(struct ctl_table *table, const json_t *flow)
{
	char text[CELL];

	ctl_table_add(table, ctl_text(flow, "id"));
	add_protocol(table, ctl_number(flow, "protocol"));
	format_end(flow, "local", text);
	ctl_table_add(table, text);
	format_end(flow, "remote", text);
	ctl_table_add(table, text);
	ctl_table_add(table, state_of(flow));
	ctl_table_add(table, strcmp(ctl_text(flow, "direction"), "inbound") == 0 ? "in" : "out");
	add_both_ways(table, flow, "packets");
	add_both_ways(table, flow, "bytes");
	add_seconds(table, flow, "age_s");
	add_seconds(table, flow, "idle_s");
	ctl_table_add(table, ctl_text(flow, "filter"));
}

void
ctl_flows_show_list(const struct ctl *ctl, const json_t *list)
{
	struct ctl_table table;
	const json_t *flow;
	size_t i;

	ctl_table_init(&table, ">ID", "PROTO", "LOCAL", "REMOTE", "STATE", "DIR", ">PACKETS OUT/IN",
		">BYTES OUT/IN", ">AGE", ">IDLE", "FILTER", NULL);
	json_array_foreach(json_object_get(list, "items"), i, flow)
		add_flow(&table, flow);
	ctl_table_print(&table, ctl, "no flows");
	if (json_is_string(json_object_get(list, "next_cursor")))
		puts("there may be more: -n tells how many to show");
}

static void
print_member(const char *name, const char *value)
{
	ctl_line("  %-14s %s", name, value);
}

static void
print_both_ways(const json_t *flow, const char *member)
{
	const json_t *counts = json_object_get(flow, member);

	ctl_line("  %-14s %s out, %s in", member, ctl_text(counts, "outbound"),
		ctl_text(counts, "inbound"));
}

static void
print_seconds(const json_t *flow, const char *name, const char *member)
{
	char text[CELL];

	format_seconds(json_number_value(json_object_get(flow, member)), text);
	print_member(name, text);
}

void
ctl_flows_show_one(const struct ctl *ctl, const json_t *flow, void *ctx)
{
	static const char *const members[] = {"direction", "ip_version", "protocol", "local",
		"local_port", "remote", "remote_port", "zone", "worker", "class", "tcp_state",
		"end", "established", "replied", "midstream", "pended", "revoked", "imported",
		"filter"};

	(void)ctl;
	(void)ctx;
	ctl_line("flow %s", ctl_text(flow, "id"));
	for (size_t i = 0; i < SL_ARRAY_LEN(members); i++)
		print_member(members[i], ctl_text(flow, members[i]));
	print_both_ways(flow, "packets");
	print_both_ways(flow, "bytes");
	print_member("since", ctl_time(flow, "since", "-"));
	print_seconds(flow, "idle", "idle_s");
	if (json_is_number(json_object_get(flow, "expires_in_s")))
		print_seconds(flow, "expires in", "expires_in_s");
}

/* --- Statistics. --- */

static void
print_counts(const struct ctl *ctl, const char *title, const json_t *counts)
{
	struct ctl_table table;
	const json_t *value;
	const char *name;

	ctl_table_init(&table, title, ">FLOWS", NULL);
	json_object_foreach((json_t *)(uintptr_t)counts, name, value) {
		if (json_integer_value(value) == 0)
			continue;
		ctl_table_add(&table, name);
		ctl_table_addf(&table, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	}
	ctl_table_print(&table, ctl, "none");
}

static void
print_counters(const json_t *counters)
{
	const json_t *value;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)counters, name, value) {
		if (json_is_integer(value))
			ctl_line("  %-16s %" JSON_INTEGER_FORMAT, name, json_integer_value(value));
	}
}

void
ctl_flows_show_stats(const struct ctl *ctl, const json_t *stats, void *ctx)
{
	const json_t *counters = json_object_get(stats, "counters");
	const json_t *fragments = json_object_get(stats, "fragments");

	(void)ctx;
	ctl_line("%s flows of %s, in %.1f MB; time-outs are at %.0f %%", ctl_text(stats, "flows"),
		ctl_text(stats, "max"), (double)ctl_number(stats, "bytes") / 1e6,
		100 * json_number_value(json_object_get(stats, "timeouts_shortened_to")));
	ctl_line("%s flows wait for callouts",
		ctl_text(json_object_get(counters, "pend"), "waiting"));
	ctl_line("%s datagrams wait with %s fragments", ctl_text(fragments, "datagrams"),
		ctl_text(fragments, "held"));
	putchar('\n');
	print_counts(ctl, "CLASS", json_object_get(stats, "classes"));
	putchar('\n');
	print_counts(ctl, "OPENED", json_object_get(counters, "opened"));
	putchar('\n');
	print_counts(ctl, "ENDED BY", json_object_get(counters, "ended"));
	putchar('\n');
	print_counts(ctl, "PENDED", json_object_get(counters, "pend"));
	putchar('\n');
	print_counters(counters);
}
