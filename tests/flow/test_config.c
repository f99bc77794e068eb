/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/sl_flow_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void
test_init(void **state)
{
	struct sl_flow_config config, other;

	(void)state;
	assert_int_equal(sl_flow_config_init(&config), 0);
	assert_int_equal(sl_flow_config_init(&other), 0);
	assert_int_equal(config.max, 262144);
	assert_int_equal(config.timeout_ms[SL_FLOW_TCP_ESTABLISHED], 3600000);
	assert_int_equal(config.timeout_ms[SL_FLOW_MULTICAST], 4000);
	assert_int_equal(config.fragments.bytes, 16 * 1024 * 1024);
	assert_int_equal(config.pend.max, 1024);
	assert_int_equal(config.pend.packets, 8);
	assert_int_equal(config.pend.bytes, 16 * 1024);
	assert_int_equal(config.pend.timeout_ms, 30000);
	for (int i = 0; i < SL_FLOW_CLASS_COUNT; i++)
		assert_true(config.timeout_ms[i] >= 1000);
	/* A key drawn twice is another one. */
	assert_memory_not_equal(config.hash_key, other.hash_key, sizeof(config.hash_key));
}

static void
test_share(void **state)
{
	struct sl_flow_config config, share;

	(void)state;
	assert_int_equal(sl_flow_config_init(&config), 0);
	config.max = 10;
	config.contexts = 0;
	config.fragments.datagrams = 100;
	config.pend.max = 2;
	config.pend.frames = 100;
	sl_flow_config_share(&config, 3, &share);
	assert_int_equal(share.max, 4);
	assert_int_equal(share.contexts, 0);
	assert_int_equal(share.fragments.datagrams, 34);
	assert_int_equal(share.fragments.per_source, 34);
	assert_int_equal(share.fragments.timeout_ms, config.fragments.timeout_ms);
	/* What is held of one flow is not shared: a flow is of one worker. */
	assert_int_equal(share.pend.max, 1);
	assert_int_equal(share.pend.frames, 34);
	assert_int_equal(share.pend.packets, config.pend.packets);
	assert_int_equal(share.pend.bytes, config.pend.bytes);
	assert_memory_equal(share.hash_key, config.hash_key, sizeof(share.hash_key));
	assert_memory_equal(share.timeout_ms, config.timeout_ms, sizeof(share.timeout_ms));
	sl_flow_config_share(&config, 1, &share);
	assert_memory_equal(&share, &config, sizeof(share));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
