/* SPDX-License-Identifier: BSD-3-Clause */
#include "callout/sl_callout.h"
#include "recorder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct sl_callout_registry *
new_registry(void)
{
	struct sl_callout_registry *registry = NULL;

	assert_int_equal(sl_callout_registry_new(2, &registry), 0);
	return registry;
}

static struct sl_plugin_info
info_of(struct sl_callout_registry *registry, const char *name)
{
	struct sl_plugin_info info;

	for (uint32_t i = 0; sl_callout_info(registry, i, &info); i++) {
		if (strcmp(info.name, name) == 0)
			return info;
	}
	fail_msg("no plugin %s", name);
	return info;
}

static void
unload(struct sl_callout_registry *registry, const char *name)
{
	struct sl_plugin *plugin;
	struct sl_error err;

	assert_int_equal(sl_callout_unpublish(registry, name, &plugin, &err), 0);
	assert_false(sl_callout_is_loaded(plugin));
	sl_callout_unload_finish(registry, plugin);
}

static uint64_t
bind(struct sl_plugin *plugin, const struct sl_filter *filter)
{
	uint64_t context = 99;
	struct sl_error err;

	assert_int_equal(sl_callout_notify_add(plugin, filter, NULL, &context, &err), 0);
	return context;
}

static void
test_names(void **state)
{
	struct sl_callout_registry *registry = new_registry();
	struct sl_plugin_info info;
	struct sl_plugin *first;
	char name[80];

	(void)state;
	assert_false(sl_callout_info(registry, 0, &info));
	first = sl_callout_plugin(registry, "first");
	assert_non_null(first);
	assert_ptr_equal(sl_callout_plugin(registry, "first"), first);
	assert_false(sl_callout_is_loaded(first));
	assert_true(sl_callout_info(registry, 0, &info));
	assert_string_equal(info.name, "first");
	assert_int_equal(info.state, SL_PLUGIN_ABSENT);
	assert_string_equal(info.path, "");
	memset(name, 'x', sizeof(name));
	name[65] = '\0';
	assert_null(sl_callout_plugin(registry, name));
	name[64] = '\0';
	assert_non_null(sl_callout_plugin(registry, name));
	for (int i = 2; i < (int)SL_CALLOUT_PLUGINS_MAX; i++) {
		snprintf(name, sizeof(name), "plugin-%d", i);
		assert_non_null(sl_callout_plugin(registry, name));
	}
	assert_null(sl_callout_plugin(registry, "one-too-many"));
	assert_ptr_equal(sl_callout_plugin(registry, "first"), first);
	sl_callout_registry_free(registry);
	sl_callout_registry_free(NULL);
}

static void
test_register(void **state)
{
	struct sluice_callout callout = recorder_start("recorder");
	struct sl_callout_registry *registry = new_registry();
	struct sl_plugin_info info;
	struct sl_error err;

	(void)state;
	callout.counters = (const char *const[]){"one", "two", NULL};
	assert_int_equal(sl_callout_register(registry, &callout, &err), 0);
	assert_int_equal(recorder.n_loads, 1);
	assert_int_equal(recorder.host->abi_version, SLUICE_ABI_VERSION);
	assert_int_equal(recorder.host->size, sizeof(struct sluice_host));
	assert_int_equal(recorder.host->n_workers_max, 2);
	info = info_of(registry, "recorder");
	assert_int_equal(info.state, SL_PLUGIN_LOADED);
	assert_string_equal(info.version, "7.1");
	assert_string_equal(info.description, "remembers");
	assert_string_equal(info.fault, "");
	assert_int_equal(info.abi_version, SLUICE_ABI_VERSION);
	assert_int_equal(info.n_counters, 2);
	assert_string_equal(info.counter_names[1], "two");
	assert_int_equal(info.calls, 0);
	/* The same name again changes nothing. */
	assert_int_equal(sl_callout_register(registry, &callout, &err), -EEXIST);
	assert_int_equal(err.code, SL_ERR_ALREADY_EXISTS);
	assert_non_null(
		strstr(err.text, "a plugin of the name recorder is loaded already, version 7.1"));
	assert_int_equal(info_of(registry, "recorder").state, SL_PLUGIN_LOADED);
	assert_int_equal(recorder.n_loads, 1);
	sl_callout_registry_free(registry);
	assert_int_equal(recorder.n_unloads, 1);
}

/* One descriptor that is refused, and words of the refusal. */
static void
assert_refused(const struct sluice_callout *callout, const char *words)
{
	struct sl_callout_registry *registry = new_registry();
	struct sl_plugin_info info;
	struct sl_error err = {0};

	assert_int_equal(sl_callout_register(registry, callout, &err), -ENOEXEC);
	assert_int_equal(err.code, SL_ERR_PLUGIN_REFUSED);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", words, err.text);
	assert_false(sl_callout_info(registry, 0, &info));
	assert_int_equal(recorder.n_loads, 0);
	sl_callout_registry_free(registry);
}

static void
test_refused_descriptors(void **state)
{
	static const char *const many[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k",
		"l", "m", "n", "o", "p", "q", NULL};
	static const char *const names[] = {"", "-x", "Upper", "a b", "a/b", "caf\xc3\xa9",
		"12345678901234567890123456789012345678901234567890123456789012345"};
	const struct sluice_callout good = recorder_start("good");
	struct sluice_callout callout;
	char text[300];

	(void)state;
#define REFUSED(words, ...)                      \
	do {                                     \
		callout = good;                  \
		__VA_ARGS__;                     \
		assert_refused(&callout, words); \
	} while (0)
	REFUSED("built for callout ABI version 1; this program has version 3",
		callout.abi_version = 1);
	REFUSED("struct sluice_callout has 88 bytes in the plugin and 96 in this program, although "
		"both",
		callout.size = 88);
	REFUSED("struct sluice_classify_in has 72 bytes in the plugin and 64",
		callout.classify_in_size = 72);
	REFUSED("struct sluice_metadata has 0 bytes in the plugin and 112",
		callout.metadata_size = 0);
	REFUSED("struct sluice_filter has 80 bytes in the plugin and 72", callout.filter_size = 80);
	REFUSED("flags 0x3, of which this program knows 0x1", callout.flags = 3);
	REFUSED("no classify function", callout.classify = NULL);
	REFUSED("cannot have one: it has no flow_delete function",
		callout.flags = SLUICE_CALLOUT_FLAG_CONDITIONAL_ON_FLOW;
		callout.flow_delete = NULL);
	REFUSED("no name", callout.name = NULL);
	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++)
		REFUSED("name is not of the form [a-z0-9][a-z0-9._-]{0,63}",
			callout.name = names[i]);
	memset(text, 'x', sizeof(text));
	text[64] = '\0';
	REFUSED("version is not at most 63 bytes of ASCII", callout.version = text);
	REFUSED("version is not at most 63 bytes of ASCII", callout.version = "1\n2");
	text[64] = 'x';
	text[256] = '\0';
	REFUSED("description is not at most 255 bytes of ASCII", callout.description = text);
	REFUSED("more than 16 counters", callout.counters = many);
	REFUSED("counter 1 is not of the form",
		callout.counters = (const char *const[]){"good", "not good", NULL});
#undef REFUSED
	/* What may be left out. */
	callout = good;
	callout.version = NULL;
	callout.description = NULL;
	callout.counters = many + 1;
	callout.flags = SLUICE_CALLOUT_FLAG_CONDITIONAL_ON_FLOW;
	struct sl_callout_registry *registry = new_registry();
	assert_int_equal(sl_callout_register(registry, &callout, NULL), 0);
	assert_int_equal(info_of(registry, "good").n_counters, 16);
	sl_callout_registry_free(registry);
}

static void
test_load_refuses(void **state)
{
	struct sluice_callout callout = recorder_start("recorder");
	struct sl_callout_registry *registry = new_registry();
	struct sl_error err;

	(void)state;
	recorder.load_rc = -5;
	recorder.words = "no licence\nfound \xc3\xa9";
	assert_int_equal(sl_callout_register(registry, &callout, &err), -ENOEXEC);
	assert_string_equal(err.text,
		"the plugin recorder refused to be loaded (status -5): no licence?found ??");
	assert_int_equal(info_of(registry, "recorder").state, SL_PLUGIN_REFUSED);
	assert_string_equal(info_of(registry, "recorder").fault, err.text);
	assert_false(sl_callout_is_loaded(sl_callout_plugin(registry, "recorder")));
	recorder.words = NULL;
	assert_int_equal(sl_callout_register(registry, &callout, &err), -ENOEXEC);
	assert_string_equal(err.text, "the plugin recorder refused to be loaded (status -5)");
	recorder.load_rc = 0;
	assert_int_equal(sl_callout_register(registry, &callout, &err), 0);
	assert_int_equal(info_of(registry, "recorder").state, SL_PLUGIN_LOADED);
	assert_string_equal(info_of(registry, "recorder").fault, "");
	sl_callout_registry_free(registry);
	assert_int_equal(recorder.n_unloads, 1);
}

static void
test_notify(void **state)
{
	struct sluice_callout callout = recorder_start("recorder");
	struct sl_callout_registry *registry = new_registry();
	struct sl_filter *filter = recorder_filter(
		"f", SLUICE_LAYER_INBOUND_TRANSPORT_V6, SLUICE_ACTION_CALLOUT_TERMINATING);
	struct sl_provider_context *data = recorder_context("{\"pps\":3}");
	struct sl_plugin *plugin;
	uint64_t context = 99;
	struct sl_error err;

	(void)state;
	assert_int_equal(sl_callout_register(registry, &callout, &err), 0);
	plugin = sl_callout_plugin(registry, "recorder");
	recorder.next_context = 4711;
	assert_int_equal(sl_callout_notify_add(plugin, filter, data, &context, &err), 0);
	assert_int_equal(context, 4711);
	assert_int_equal(recorder.n_adds, 1);
	assert_string_equal(recorder.key, "f");
	assert_string_equal(recorder.data, "{\"pps\":3}");
	assert_int_equal(recorder.added.provider_context_len, 9);
	assert_int_equal(recorder.added.id, 77);
	assert_int_equal(recorder.added.weight, 1234);
	assert_int_equal(recorder.added.raw_context, 0);
	assert_int_equal(recorder.added.context, 0);
	assert_int_equal(recorder.added.layer, SLUICE_LAYER_INBOUND_TRANSPORT_V6);
	assert_int_equal(recorder.added.action, SLUICE_ACTION_CALLOUT_TERMINATING);
	assert_int_equal(recorder.added.flags, SLUICE_FILTER_FLAG_CLEAR_ACTION_RIGHT);
	/* Without a provider context the raw context counts. */
	assert_int_equal(sl_callout_notify_add(plugin, filter, NULL, &context, &err), 0);
	assert_int_equal(recorder.added.raw_context, 5678);
	assert_string_equal(recorder.data, "");
	/* Two bindings of one filter: each deleted once, and no third. */
	for (int i = 0; i < 3; i++)
		sl_callout_notify_delete(plugin, filter, 4711);
	assert_int_equal(recorder.n_deletes, 2);
	assert_string_equal(recorder.key, "f");
	assert_int_equal(recorder.deleted.context, 4711);
	sl_callout_registry_free(registry);
	assert_int_equal(recorder.n_deletes, 2);
	sl_object_put(&filter->object);
	sl_object_put(&data->object);
}

static void
test_notify_refuses(void **state)
{
	struct sluice_callout callout = recorder_start("recorder");
	struct sl_callout_registry *registry = new_registry();
	struct sl_filter *filter = recorder_filter(
		"f", SLUICE_LAYER_INBOUND_TRANSPORT_V6, SLUICE_ACTION_CALLOUT_TERMINATING);
	struct sl_plugin *plugin;
	uint64_t context = 99;
	struct sl_error err;

	(void)state;
	assert_int_equal(sl_callout_register(registry, &callout, &err), 0);
	plugin = sl_callout_plugin(registry, "recorder");
	recorder.add_rc = 1;
	recorder.words = "too little";
	recorder.next_context = 5;
	assert_int_equal(sl_callout_notify_add(plugin, filter, NULL, &context, &err), -EINVAL);
	assert_int_equal(err.code, SL_ERR_CALLOUT_NOTIFICATION_FAILED);
	assert_string_equal(err.text, "the plugin recorder refused the filter f: too little");
	assert_int_equal(context, 99);
	/* The words of one refusal are not those of the next. */
	recorder.words = NULL;
	assert_int_equal(sl_callout_notify_add(plugin, filter, NULL, &context, &err), -EINVAL);
	assert_string_equal(
		err.text, "the plugin recorder refused the filter f: it gave no reason");
	/* Nothing was bound. */
	sl_callout_registry_free(registry);
	assert_int_equal(recorder.n_deletes, 0);
	sl_object_put(&filter->object);
}

/* A filter bound before the load is not the loaded plugin's until it is bound again. */
static void
test_load_after_binding(void **state)
{
	struct sluice_callout callout = recorder_start("recorder");
	struct sl_callout_registry *registry = new_registry();
	struct sl_filter *filter = recorder_filter(
		"f", SLUICE_LAYER_INBOUND_TRANSPORT_V6, SLUICE_ACTION_CALLOUT_TERMINATING);
	struct sl_plugin *absent = sl_callout_plugin(registry, "recorder");
	struct sl_plugin *loaded;
	struct sl_error err;

	(void)state;
	assert_int_equal(bind(absent, filter), 0);
	assert_int_equal(recorder.n_adds, 0);
	assert_int_equal(sl_callout_register(registry, &callout, &err), 0);
	loaded = sl_callout_plugin(registry, "recorder");
	assert_ptr_not_equal(loaded, absent);
	assert_true(sl_callout_is_loaded(loaded));
	assert_false(sl_callout_is_loaded(absent));
	assert_int_equal(recorder.n_adds, 0);
	recorder.next_context = 12;
	assert_int_equal(bind(loaded, filter), 12);
	assert_int_equal(recorder.n_adds, 1);
	sl_callout_notify_delete(absent, filter, 0);
	assert_int_equal(recorder.n_deletes, 0);
	sl_callout_notify_delete(loaded, filter, 12);
	assert_int_equal(recorder.n_deletes, 1);
	sl_callout_registry_free(registry);
	sl_object_put(&filter->object);
}

static void
test_unload(void **state)
{
	struct sluice_callout callout = recorder_start("recorder");
	struct sl_callout_registry *registry = new_registry();
	struct sl_filter *one = recorder_filter(
		"one", SLUICE_LAYER_INBOUND_TRANSPORT_V6, SLUICE_ACTION_CALLOUT_TERMINATING);
	struct sl_filter *two = recorder_filter(
		"two", SLUICE_LAYER_INBOUND_TRANSPORT_V6, SLUICE_ACTION_CALLOUT_TERMINATING);
	struct sl_plugin *plugin, *closing;
	struct sl_error err;

	(void)state;
	assert_int_equal(sl_callout_unpublish(registry, "recorder", &plugin, &err), -ENOENT);
	assert_int_equal(err.code, SL_ERR_PLUGIN_NOT_FOUND);
	assert_int_equal(sl_callout_register(registry, &callout, &err), 0);
	plugin = sl_callout_plugin(registry, "recorder");
	recorder.next_context = 1;
	bind(plugin, one);
	recorder.next_context = 2;
	bind(plugin, two);
	assert_int_equal(sl_callout_unpublish(registry, "recorder", &closing, &err), 0);
	assert_ptr_equal(closing, plugin);
	assert_int_equal(info_of(registry, "recorder").state, SL_PLUGIN_UNLOADED);
	/* Between the steps: not loaded, not to be loaded, not to be unloaded again. */
	assert_false(sl_callout_is_loaded(plugin));
	assert_int_equal(sl_callout_register(registry, &callout, &err), -EAGAIN);
	assert_int_equal(err.code, SL_ERR_BUSY);
	assert_int_equal(sl_callout_unpublish(registry, "recorder", &closing, &err), -ENOENT);
	assert_int_equal(bind(plugin, one), 0);
	assert_int_equal(recorder.n_adds, 2);
	assert_int_equal(recorder.n_deletes, 0);
	sl_callout_unload_finish(registry, plugin);
	assert_int_equal(recorder.n_deletes, 2);
	assert_int_equal(recorder.n_unloads, 1);
	/* The owner undoes its bindings later; that reaches nobody any more. */
	sl_callout_notify_delete(plugin, one, 1);
	sl_callout_notify_delete(plugin, one, 0);
	sl_callout_notify_delete(plugin, two, 2);
	assert_int_equal(recorder.n_deletes, 2);
	sl_callout_registry_free(registry);
	assert_int_equal(recorder.n_unloads, 1);
	sl_object_put(&one->object);
	sl_object_put(&two->object);
}

/* However often a plugin comes and goes, there are only as many records as are bound, and one. */
static void
test_reload_reuses_records(void **state)
{
	struct sluice_callout callout = recorder_start("recorder");
	struct sl_callout_registry *registry = new_registry();
	struct sl_filter *filter = recorder_filter(
		"f", SLUICE_LAYER_INBOUND_TRANSPORT_V6, SLUICE_ACTION_CALLOUT_TERMINATING);
	struct sl_plugin *bound[2] = {NULL, NULL};
	struct sl_plugin_info info;
	struct sl_error err;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct sl_plugin *plugin;

		assert_int_equal(sl_callout_register(registry, &callout, &err), 0);
		plugin = sl_callout_plugin(registry, "recorder");
		assert_ptr_not_equal(plugin, bound[(i + 1) % 2]);
		if (i >= 2)
			assert_ptr_equal(plugin, bound[i % 2]);
		recorder.next_context = (uint64_t)i;
		bind(plugin, filter);
		if (i > 0)
			sl_callout_notify_delete(bound[(i + 1) % 2], filter, (uint64_t)i - 1);
		bound[i % 2] = plugin;
		unload(registry, "recorder");
	}
	assert_int_equal(recorder.n_adds, 1000);
	assert_int_equal(recorder.n_deletes, 1000);
	assert_true(sl_callout_info(registry, 0, &info));
	assert_false(sl_callout_info(registry, 1, &info));
	sl_callout_registry_free(registry);
	sl_object_put(&filter->object);
}

/* Nothing bound: the record that a policy may hold is the one that gets loaded. */
static void
test_load_keeps_unbound_record(void **state)
{
	struct sluice_callout callout = recorder_start("recorder");
	struct sl_callout_registry *registry = new_registry();
	struct sl_plugin *plugin = sl_callout_plugin(registry, "recorder");

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sl_callout_register(registry, &callout, NULL), 0);
		assert_ptr_equal(sl_callout_plugin(registry, "recorder"), plugin);
		unload(registry, "recorder");
	}
	sl_callout_registry_free(registry);
}

static void
test_free_unloads(void **state)
{
	struct sluice_callout callout = recorder_start("recorder");
	struct sl_callout_registry *registry = new_registry();
	struct sl_filter *filters[100];

	(void)state;
	assert_int_equal(sl_callout_register(registry, &callout, NULL), 0);
	for (int i = 0; i < 100; i++) {
		filters[i] = recorder_filter(
			"f", SLUICE_LAYER_INBOUND_TRANSPORT_V6, SLUICE_ACTION_CALLOUT_TERMINATING);
		recorder.next_context = 1000 + (uint64_t)i;
		bind(sl_callout_plugin(registry, "recorder"), filters[i]);
	}
	sl_callout_registry_free(registry);
	assert_int_equal(recorder.n_deletes, 100);
	assert_int_equal(recorder.n_unloads, 1);
	for (int i = 0; i < 100; i++)
		sl_object_put(&filters[i]->object);
}

/* The services that do not need a packet. */
static void
test_host_services(void **state)
{
	static const char *const members[] = {"a", NULL};
	struct sluice_callout callout = recorder_start("recorder");
	struct sl_callout_registry *registry = new_registry();
	const struct sl_layer *const *layers;
	const struct sluice_host *host;
	int64_t value = 0;
	char text[8];
	uint32_t n;

	(void)state;
	assert_int_equal(sl_callout_register(registry, &callout, NULL), 0);
	host = recorder.host;
	layers = sl_layer_list(&n);
	assert_true(n > 50);
	for (uint32_t i = 0; i < n; i++) {
		for (int f = 0; f < layers[i]->n_fields; f++)
			assert_int_equal(
				host->field_index(layers[i]->id, layers[i]->fields[f].field), f);
	}
	assert_int_equal(
		host->field_index(SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_FIELD_IP_REMOTE_PORT),
		5);
	assert_int_equal(
		host->field_index(SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_FIELD_ETHER_TYPE), -2);
	assert_int_equal(host->field_index(4000000000u, SLUICE_FIELD_ETHER_TYPE), -2);
	assert_int_equal(host->json_integer("{\"a\":3}", "a", 0, 9, &value), 0);
	assert_int_equal(value, 3);
	assert_int_equal(host->json_integer("{}", "a", 0, 9, &value), -2);
	assert_int_equal(host->json_integer(NULL, "a", 0, 9, &value), -22);
	assert_int_equal(host->json_strict("{\"b\":3}", members, NULL, 0), -2);
	assert_int_equal(host->json_strict(NULL, members, NULL, 0), -22);
	assert_int_equal(host->json_string("{\"a\":\"b\"}", "a", text, sizeof(text)), 0);
	assert_string_equal(text, "b");
	assert_int_equal(host->json_string("{}", "a", text, sizeof(text)), -2);
	assert_int_equal(host->json_string(NULL, "a", text, sizeof(text)), -22);
	sl_callout_registry_free(registry);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_register),
		cmocka_unit_test(test_refused_descriptors),
		cmocka_unit_test(test_load_refuses),
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_notify_refuses),
		cmocka_unit_test(test_load_after_binding),
		cmocka_unit_test(test_unload),
		cmocka_unit_test(test_reload_reuses_records),
		cmocka_unit_test(test_load_keeps_unbound_record),
		cmocka_unit_test(test_free_unloads),
		cmocka_unit_test(test_host_services),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
