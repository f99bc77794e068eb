/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

void
make_config(struct sl_flow_config *config, uint32_t max)
{
	assert_int_equal(sl_flow_config_init(config), 0);
	config->max = max;
	config->contexts = 64;
	config->hash_key[0] = 0x0706050403020100;
	config->hash_key[1] = 0x0f0e0d0c0b0a0908;
}

struct sl_flow_table *
make_table(uint32_t max)
{
	struct sl_flow_config config;
	struct sl_flow_table *table;

	make_config(&config, max);
	assert_int_equal(sl_flow_table_new(&config, 0, MAKE_START_NS, &table), 0);
	return table;
}

void
make_key(struct sl_flow_key *key, uint32_t i)
{
	static const uint8_t protocols[] = {6, 17, 6, 1, 132, 6, 47, 17};

	memset(key, 0, sizeof(*key));
	key->ip_version = i % 2 == 0 ? 4 : 6;
	key->protocol = protocols[i / 2 % 8];
	key->local[0] = 10;
	memcpy(key->remote, &i, sizeof(i));
	if (key->ip_version == 6)
		key->local[15] = (uint8_t)i;
	key->local_port = (uint16_t)(i >> 8);
	key->remote_port = 443;
	key->domain = i % 3 << 24;
}

struct sl_flow *
make_find(const struct sl_flow_table *table, const struct sl_flow_key *key)
{
	struct sl_flow *flow;
	uint64_t hash;

	sl_flow_hash(table, key, 1, &hash);
	sl_flow_find(table, key, &hash, 1, &flow);
	return flow;
}

struct sl_flow *
make_add(struct sl_flow_table *table, uint32_t i, enum sl_flow_class class, uint64_t now_ns)
{
	struct sl_flow_key key;
	uint64_t hash;

	make_key(&key, i);
	sl_flow_hash(table, &key, 1, &hash);
	return sl_flow_add(table, &key, hash, class, now_ns);
}
