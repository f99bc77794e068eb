/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_make.h"

#include "bench_address.h"
#include "bench_random.h"
#include "bench_service.h"

#include <stdlib.h>
#include <string.h>

#define PROTOCOLS_MAX 6
#define ANY_PROTOCOL  256

/* What rules of a kind are made of; shares in percent. */
struct kind {
	const char *name;
	uint8_t src[BENCH_SCOPE_COUNT]; /* any, block, site, net, subnet, host */
	uint8_t dst[BENCH_SCOPE_COUNT];
	uint8_t src_ports[BENCH_PORTS_COUNT]; /* any, one, high, range */
	uint8_t dst_ports[BENCH_PORTS_COUNT];
	struct {
		uint16_t protocol;
		uint8_t percent;
	} protocols[PROTOCOLS_MAX];
	uint8_t pairs; /* rules between two hosts, whatever the shares above say */
};

static const struct kind kinds[BENCH_KIND_COUNT] = {
	[BENCH_KIND_ACL] = {.name = "acl",
		.src = {42, 5, 20, 20, 7, 6},
		.dst = {2, 1, 5, 16, 12, 64},
		.src_ports = {98, 1, 1, 0},
		.dst_ports = {26, 60, 4, 10},
		.protocols = {{6, 76}, {17, 13}, {1, 3}, {ANY_PROTOCOL, 8}}},
	[BENCH_KIND_FW] = {.name = "fw",
		.src = {34, 3, 7, 10, 12, 34},
		.dst = {22, 2, 6, 9, 11, 50},
		.src_ports = {76, 10, 10, 4},
		.dst_ports = {30, 36, 12, 22},
		.protocols = {{6, 57}, {17, 32}, {1, 4}, {47, 5}, {50, 1}, {ANY_PROTOCOL, 1}}},
	[BENCH_KIND_IPC] = {.name = "ipc",
		.src = {4, 3, 17, 34, 18, 24},
		.dst = {3, 3, 14, 30, 20, 30},
		.src_ports = {80, 14, 3, 3},
		.dst_ports = {52, 34, 5, 9},
		.protocols = {{6, 28}, {17, 36}, {1, 3}, {47, 1}, {50, 1}, {ANY_PROTOCOL, 31}},
		.pairs = 14},
};

/* One set in the making. */
struct maker {
	const struct kind *kind;
	struct bench_random random;
	struct bench_address_plan src_plan, dst_plan;
	struct bench_services src_services, dst_services;
	struct bench_rules *rules;
	uint32_t *table; /* rules by their bytes: open addressing; place plus one, 0: free */
	size_t table_mask;
	uint32_t n_wide; /* rules from anywhere to anywhere */
	uint32_t wide_max;
};

const char *
bench_kind_name(enum bench_kind kind)
{
	return kinds[kind].name;
}

bool
bench_kind_parse(const char *name, enum bench_kind *kind)
{
	for (int i = 0; i < BENCH_KIND_COUNT; i++) {
		if (strcmp(kinds[i].name, name) == 0) {
			*kind = (enum bench_kind)i;
			return true;
		}
	}
	return false;
}

/* --- One rule. --- */

/* A place in a list of shares that sum up to 100. */
static uint32_t
draw_share(struct bench_random *random, const uint8_t shares[], uint32_t n)
{
	uint32_t place = bench_random_below(random, 100);
	uint32_t i = 0;

	while (i + 1 < n && place >= shares[i])
		place -= shares[i++];
	return i;
}

static uint32_t
draw_protocol(struct maker *maker)
{
	uint32_t place = bench_random_below(&maker->random, 100);
	uint32_t i = 0;

	while (i + 1 < PROTOCOLS_MAX && place >= maker->kind->protocols[i].percent)
		place -= maker->kind->protocols[i++].percent;
	return maker->kind->protocols[i].protocol;
}

static void
draw_rule(struct maker *maker, struct bench_rule *rule)
{
	const struct kind *kind = maker->kind;
	struct bench_random *random = &maker->random;
	bool is_pair = bench_random_percent(random, kind->pairs);
	uint32_t src =
		is_pair ? BENCH_SCOPE_HOST : draw_share(random, kind->src, BENCH_SCOPE_COUNT);
	uint32_t dst =
		is_pair ? BENCH_SCOPE_HOST : draw_share(random, kind->dst, BENCH_SCOPE_COUNT);
	uint32_t src_ports = draw_share(random, kind->src_ports, BENCH_PORTS_COUNT);
	uint32_t dst_ports = draw_share(random, kind->dst_ports, BENCH_PORTS_COUNT);
	uint32_t protocol = draw_protocol(maker);
	/* Other protocols have no ports. */
	bool has_ports = protocol == 6 || protocol == 17;

	memset(rule, 0, sizeof(*rule));
	bench_address_draw(
		&maker->src_plan, random, (enum bench_scope)src, rule->src, &rule->src_len);
	bench_address_draw(
		&maker->dst_plan, random, (enum bench_scope)dst, rule->dst, &rule->dst_len);
	rule->has_protocol = protocol != ANY_PROTOCOL;
	rule->protocol = rule->has_protocol ? (uint8_t)protocol : 0;
	bench_service_draw(&maker->src_services, random,
		has_ports ? (enum bench_ports)src_ports : BENCH_PORTS_ANY, rule->src_port);
	bench_service_draw(&maker->dst_services, random,
		has_ports ? (enum bench_ports)dst_ports : BENCH_PORTS_ANY, rule->dst_port);
}

static bool
is_wide(const struct bench_rule *rule)
{
	return rule->src_len == 0 && rule->dst_len == 0;
}

/* Rules from anywhere to anywhere are few, and for one service each. */
static bool
is_wanted(const struct maker *maker, const struct bench_rule *rule)
{
	return !is_wide(rule) ||
		(rule->dst_port[0] == rule->dst_port[1] && maker->n_wide < maker->wide_max);
}

/* --- Different rules. --- */

static uint64_t
hash_of(const struct bench_rule *rule)
{
	const uint8_t *bytes = (const uint8_t *)rule;
	struct bench_random random = bench_random_seed(0);

	_Static_assert(sizeof(*rule) == 44, "rules are compared byte by byte, without gaps");
	for (size_t i = 0; i < sizeof(*rule); i += 4) {
		uint32_t word;

		memcpy(&word, bytes + i, sizeof(word));
		random.state = bench_random_next(&random) ^ word;
	}
	return bench_random_next(&random);
}

/* Adds a rule unless it is there already. */
static void
add(struct maker *maker, const struct bench_rule *rule)
{
	struct bench_rules *rules = maker->rules;
	size_t at = hash_of(rule) & maker->table_mask;

	for (; maker->table[at] != 0; at = (at + 1) & maker->table_mask)
		if (memcmp(&rules->list[maker->table[at] - 1], rule, sizeof(*rule)) == 0)
			return;
	rules->list[rules->n++] = *rule;
	maker->table[at] = (uint32_t)rules->n;
	maker->n_wide += is_wide(rule);
}

/* --- Order. --- */

struct place {
	uint32_t weight; /* higher comes first */
	uint32_t rule;
};

static int
by_weight(const void *a, const void *b)
{
	const struct place *x = a;
	const struct place *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->rule < y->rule ? -1 : x->rule > y->rule;
}

/* Specific rules first, more or less: whoever wrote the set put some where they came to mind. */
static int
order(struct maker *maker)
{
	struct bench_rules *rules = maker->rules;
	struct place *places = calloc(rules->n, sizeof(*places));
	struct bench_rule *sorted = calloc(rules->n, sizeof(*sorted));
	uint32_t bits = rules->is_v6 ? 128 : 32;
	bool is_done = places != NULL && sorted != NULL;

	for (size_t i = 0; is_done && i < rules->n; i++) {
		const struct bench_rule *rule = &rules->list[i];
		uint32_t lens = (uint32_t)(rule->src_len + rule->dst_len) * 32 / bits;

		places[i].rule = (uint32_t)i;
		places[i].weight = lens + (rule->dst_port[0] == rule->dst_port[1] ? 8 : 0) +
			bench_random_below(&maker->random, 24);
	}
	if (is_done) {
		qsort(places, rules->n, sizeof(*places), by_weight);
		for (size_t i = 0; i < rules->n; i++)
			sorted[i] = rules->list[places[i].rule];
		free(rules->list);
		rules->list = sorted;
	} else {
		free(sorted);
	}
	free(places);
	return is_done ? 0 : -1;
}

/* --- Sets. --- */

static uint32_t
square_root(uint32_t n)
{
	uint32_t root = 0;

	while ((uint64_t)(root + 1) * (root + 1) <= n)
		root++;
	return root;
}

static int
maker_init(struct maker *maker, const struct bench_make_spec *spec, struct bench_rules *rules)
{
	struct bench_random seeds = bench_random_seed(
		spec->seed * BENCH_KIND_COUNT + spec->kind + (spec->is_v6 ? 1u << 31 : 0));
	size_t n_table = 64;

	while (n_table < 2 * (size_t)spec->n)
		n_table *= 2;
	*rules = (struct bench_rules){.is_v6 = spec->is_v6};
	rules->list = calloc(spec->n, sizeof(*rules->list));
	*maker = (struct maker){.kind = &kinds[spec->kind],
		.rules = rules,
		.table = calloc(n_table, sizeof(*maker->table)),
		.table_mask = n_table - 1,
		.wide_max = 10 + square_root(spec->n)};
	maker->random = bench_random_seed(bench_random_next(&seeds));
	/* Few rules ask where a packet comes from by its port. */
	maker->dst_services = (struct bench_services){bench_random_next(&seeds), 100, 24};
	maker->src_services = (struct bench_services){maker->dst_services.seed, 12, 3};
	maker->src_plan = bench_address_plan_make(bench_random_next(&seeds), spec->is_v6, spec->n);
	maker->dst_plan = bench_address_plan_make(bench_random_next(&seeds), spec->is_v6, spec->n);
	return rules->list != NULL && maker->table != NULL ? 0 : -1;
}

int
bench_make(const struct bench_make_spec *spec, struct bench_rules *rules, struct sl_error *err)
{
	struct maker maker;
	int rc = maker_init(&maker, spec, rules);

	/* Every kind has many more rules to draw than a set may have, so that this ends. */
	while (rc == 0 && rules->n < spec->n) {
		struct bench_rule rule;

		draw_rule(&maker, &rule);
		if (is_wanted(&maker, &rule))
			add(&maker, &rule);
	}
	if (rc == 0)
		rc = order(&maker);
	free(maker.table);
	if (rc == 0)
		return 0;
	bench_rules_fini(rules);
	return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory for %u rules", spec->n);
}
