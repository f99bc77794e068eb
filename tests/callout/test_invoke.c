/* SPDX-License-Identifier: BSD-3-Clause */
#include "callout/sl_callout.h"
#include "recorder.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

#define WRITE SLUICE_RIGHT_ACTION_WRITE

/* One filter at one layer, bound to the recorder, and a worker that calls it. */
struct fixture {
	struct sl_callout_registry *registry;
	struct sluice_callout callout;
	struct sl_plugin *plugin;
	struct sl_filter *filter;
	struct sl_provider_context *data;
	struct sl_filter_hot hot;
	struct sl_filter_run run;
	struct sl_sublayer_run sublayer;
	struct sl_layer_program program;
	struct sl_meta meta;
	struct sl_frame frame;
	uint8_t bytes[2000];
	struct sl_callout_env env;
	struct sl_reply replies[SL_CALLOUT_REPLIES_MAX];
};

static enum sl_hot_action
hot_action(enum sluice_action action)
{
	switch (action) {
	case SLUICE_ACTION_CALLOUT_TERMINATING:
		return SL_HOT_CALLOUT_TERMINATING;
	case SLUICE_ACTION_CALLOUT_UNKNOWN:
		return SL_HOT_CALLOUT_UNKNOWN;
	default:
		return SL_HOT_CALLOUT_INSPECTION;
	}
}

static void
start(struct fixture *f, enum sluice_layer layer, enum sluice_action action)
{
	static const struct sl_meta_ports no_ports;

	memset(f, 0, sizeof(*f));
	f->callout = recorder_start("recorder");
	assert_int_equal(sl_callout_registry_new(3, &f->registry), 0);
	assert_int_equal(sl_callout_register(f->registry, &f->callout, NULL), 0);
	f->plugin = sl_callout_plugin(f->registry, "recorder");
	f->filter = recorder_filter("f", layer, action);
	f->data = recorder_context("{\"x\":1}");
	recorder.next_context = 31337;
	f->run = (struct sl_filter_run){.object = f->filter, .provider_context = f->data, .id = 77};
	f->run.binding.callout = f->plugin;
	assert_int_equal(
		sl_callout_notify_add(f->plugin, f->filter, f->data, &f->run.binding.context, NULL),
		0);
	f->hot.action = (uint8_t)hot_action(action);
	f->sublayer.weight = 40000;
	f->program = (struct sl_layer_program){
		.layer = f->filter->layer,
		.hot = &f->hot,
		.filters = &f->run,
		.sublayers = &f->sublayer,
		.n_filters = 1,
		.n_sublayers = 1,
	};
	sl_meta_setup(&f->meta, SLUICE_DIRECTION_INBOUND, &no_ports);
	f->frame = (struct sl_frame){.bytes = f->bytes, .contiguous = 100, .length = 100};
	f->env = (struct sl_callout_env){
		.frame = &f->frame,
		.packet = 9,
		.path = 5,
		.worker = 2,
		.now_ns = 1767323045000000006,
		.revision = 12,
		.replies = f->replies,
	};
}

static void
stop(struct fixture *f)
{
	sl_callout_registry_free(f->registry);
	sl_object_put(&f->filter->object);
	sl_object_put(&f->data->object);
}

/* Calls with the recorder set to answer so. */
static enum sl_invoke_status
invoke(struct fixture *f, uint32_t rights, uint32_t action, uint32_t rights_back,
	struct sluice_classify_out *out)
{
	*out = (struct sluice_classify_out){.action = SLUICE_ACTION_UNTOUCHED, .rights = rights};
	recorder.answer = (struct sluice_classify_out){.action = action, .rights = rights_back};
	return sl_callout_invoke(&f->env, &f->program, 0, &f->meta, out);
}

static void
invoke_plainly(struct fixture *f)
{
	struct sluice_classify_out out;

	assert_int_equal(invoke(f, WRITE, SLUICE_ACTION_PERMIT, WRITE, &out), SL_INVOKE_CALLED);
}

static void
test_what_it_is_given(void **state)
{
	struct sluice_classify_out out;
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_ACTION_CALLOUT_TERMINATING);
	assert_int_equal(invoke(&f, WRITE, SLUICE_ACTION_BLOCK, 0, &out), SL_INVOKE_CALLED);
	assert_int_equal(out.action, SLUICE_ACTION_BLOCK);
	assert_int_equal(out.rights, 0);
	assert_int_equal(recorder.seen.action, SLUICE_ACTION_UNTOUCHED);
	assert_int_equal(recorder.seen.rights, WRITE);
	assert_int_equal(recorder.in.size, sizeof(struct sluice_classify_in));
	assert_int_equal(recorder.in.layer, SLUICE_LAYER_INBOUND_TRANSPORT_V4);
	assert_int_equal(recorder.in.worker, 2);
	assert_int_equal(recorder.in.flow_context, 0);
	assert_ptr_equal(recorder.in.callout, &recorder);
	assert_non_null(recorder.in.packet);
	assert_null(recorder.filter.key);
	assert_int_equal(recorder.filter.id, 77);
	assert_int_equal(recorder.filter.weight, 1234);
	assert_int_equal(recorder.filter.context, 31337);
	assert_int_equal(recorder.filter.raw_context, 0);
	assert_string_equal(recorder.filter.provider_context, "{\"x\":1}");
	assert_int_equal(recorder.filter.provider_context_len, 7);
	assert_int_equal(recorder.filter.action, SLUICE_ACTION_CALLOUT_TERMINATING);
	assert_int_equal(recorder.filter.flags, SLUICE_FILTER_FLAG_CLEAR_ACTION_RIGHT);
	assert_int_equal(recorder.filter.sublayer_weight, 40000);
	stop(&f);
}

/* --- Values. --- */

/* Fills every slot with bytes that tell slots apart. */
static void
fill_slots(struct sl_meta *meta, const struct sl_blob *blob)
{
	for (uint32_t slot = 0; slot < SL_SLOT_COUNT; slot++) {
		uint8_t *at = (uint8_t *)meta + sl_slot_info[slot].offset;

		if (sl_slot_info[slot].kind == SL_SLOT_KIND_BLOB)
			memcpy(at, &blob, sizeof(blob));
		else
			memset(at, (int)(slot + 1), sl_slot_info[slot].size);
	}
}

static void
assert_value(const struct fixture *f, const struct sl_layer_field *field,
	const struct sluice_value *value, bool is_present)
{
	enum sl_slot slot = sl_meta_slot(f->program.layer, field->field);

	if (!is_present || !field->available || slot == SL_SLOT_NONE) {
		assert_int_equal(value->type, SLUICE_TYPE_EMPTY);
		assert_int_equal(value->number, 0);
		return;
	}
	assert_int_equal(value->type, field->type);
	switch (field->type) {
	case SLUICE_TYPE_BYTE_ARRAY6:
	case SLUICE_TYPE_BYTE_ARRAY16:
		assert_int_equal(value->size, field->type == SLUICE_TYPE_BYTE_ARRAY6 ? 6 : 16);
		assert_memory_equal(value->bytes,
			(const uint8_t *)&f->meta + sl_slot_info[slot].offset, value->size);
		break;
	case SLUICE_TYPE_BYTE_BLOB:
		assert_int_equal(value->size, 4);
		assert_memory_equal(value->bytes, "port", 4);
		break;
	default:
		assert_int_equal(value->number, sl_meta_number(&f->meta, slot));
	}
}

/* At every layer, every field stands at its index with the value and type it has, or EMPTY. */
static void
test_values_at_every_layer(void **state)
{
	static const struct sl_blob blob = {(const uint8_t *)"port", 4};
	const struct sl_layer *const *layers;
	uint32_t n, n_present = 0;

	(void)state;
	layers = sl_layer_list(&n);
	for (uint32_t i = 0; i < n; i++) {
		struct fixture f;

		start(&f, layers[i]->id, SLUICE_ACTION_CALLOUT_INSPECTION);
		fill_slots(&f.meta, &blob);
		for (int is_present = 0; is_present < 2; is_present++) {
			f.meta.present = is_present ? ((uint64_t)1 << SL_SLOT_COUNT) - 1 : 0;
			invoke_plainly(&f);
			assert_int_equal(recorder.in.n_values, layers[i]->n_fields);
			for (uint32_t v = 0; v < recorder.in.n_values; v++) {
				assert_value(
					&f, &layers[i]->fields[v], &recorder.values[v], is_present);
				n_present += recorder.values[v].type != SLUICE_TYPE_EMPTY;
			}
		}
		stop(&f);
	}
	assert_true(n_present > 200);
}

/* The indices of WFP appendix A, spelt out for one layer. */
static void
test_values_inbound_transport_v4(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_ACTION_CALLOUT_INSPECTION);
	f.meta.ip4_src = 0xc6336414;
	f.meta.ip4_dst = 0xc000020a;
	f.meta.protocol = 6;
	f.meta.local_port = 80;
	f.meta.remote_port = 4000;
	f.meta.flags_transport = SLUICE_CONDITION_FLAG_IS_FRAGMENT;
	f.meta.present |= SL_PRESENT(IP4_SRC) | SL_PRESENT(IP4_DST) | SL_PRESENT(PROTOCOL) |
		SL_PRESENT(LOCAL_PORT) | SL_PRESENT(REMOTE_PORT) | SL_PRESENT(FLAGS_TRANSPORT);
	invoke_plainly(&f);
	assert_int_equal(recorder.values[0].number, 6);
	assert_int_equal(recorder.values[0].type, SLUICE_TYPE_UINT8);
	assert_int_equal(recorder.values[1].number, 0xc000020a);
	assert_int_equal(recorder.values[2].number, 0xc6336414);
	assert_int_equal(recorder.values[2].type, SLUICE_TYPE_UINT32);
	assert_int_equal(recorder.values[4].number, 80);
	assert_int_equal(recorder.values[5].number, 4000);
	assert_int_equal(recorder.values[9].number, SLUICE_CONDITION_FLAG_IS_FRAGMENT);
	stop(&f);
}

/* --- Metadata. --- */

static void
test_metadata_of_a_frame(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_INBOUND_MAC_FRAME_ETHERNET, SLUICE_ACTION_CALLOUT_INSPECTION);
	f.meta.present = 0;
	invoke_plainly(&f);
	assert_int_equal(recorder.meta.valid, SLUICE_METADATA_PACKET_DIRECTION);
	assert_int_equal(recorder.meta.packet_direction, SLUICE_DIRECTION_INBOUND);
	assert_int_equal(recorder.meta.time_ns, 1767323045000000006);
	assert_int_equal(recorder.meta.policy_revision, 12);
	stop(&f);
}

static void
test_metadata_of_a_packet(void **state)
{
	const struct sl_meta_ports ports = {.arrival_index = 2, .nexthop_index = 1};
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_ACTION_CALLOUT_INSPECTION);
	sl_meta_setup(&f.meta, SLUICE_DIRECTION_INBOUND, &ports);
	f.meta.ip_version = 4;
	f.meta.l3_offset = 18;
	f.meta.l4_offset = 42;
	f.meta.l4_len = 8;
	f.meta.packet_length = 1044;
	f.meta.meta_flags = SL_META_IS_FRAGMENT;
	f.meta.frag_id = 0xabcd;
	f.meta.frag_offset = 0;
	f.meta.vlan_n = 5;
	f.meta.vlan_stack[0] = 100;
	f.meta.vlan_stack[3] = 400;
	invoke_plainly(&f);
	assert_int_equal(recorder.meta.valid,
		SLUICE_METADATA_PACKET_DIRECTION | SLUICE_METADATA_SOURCE_INTERFACE_INDEX |
			SLUICE_METADATA_DESTINATION_INTERFACE_INDEX |
			SLUICE_METADATA_L2_HEADER_SIZE | SLUICE_METADATA_IP_HEADER_SIZE |
			SLUICE_METADATA_TRANSPORT_HEADER_SIZE | SLUICE_METADATA_FRAGMENT_DATA |
			SLUICE_METADATA_VLAN_STACK);
	assert_int_equal(recorder.meta.source_interface_index, 2);
	assert_int_equal(recorder.meta.destination_interface_index, 1);
	assert_int_equal(recorder.meta.l2_header_size, 18);
	assert_int_equal(recorder.meta.ip_header_size, 24);
	assert_int_equal(recorder.meta.transport_header_size, 8);
	assert_int_equal(recorder.meta.fragment_identification, 0xabcd);
	assert_int_equal(recorder.meta.fragment_length, 1020);
	assert_int_equal(recorder.meta.vlan_n, 5);
	assert_int_equal(recorder.meta.vlan_tci[0], 100);
	assert_int_equal(recorder.meta.vlan_tci[3], 400);
	/* A later fragment has no transport header; a packet cut in its IP header has no sizes but one. */
	f.meta.l4_len = 0;
	invoke_plainly(&f);
	assert_int_equal(recorder.meta.valid & SLUICE_METADATA_TRANSPORT_HEADER_SIZE, 0);
	f.meta.l4_offset = 0;
	f.meta.l4_len = 20;
	invoke_plainly(&f);
	assert_int_equal(recorder.meta.valid &
			(SLUICE_METADATA_IP_HEADER_SIZE | SLUICE_METADATA_TRANSPORT_HEADER_SIZE),
		0);
	stop(&f);
}

static void
test_metadata_of_echo(void **state)
{
	static const struct {
		uint8_t protocol;
		uint16_t type;
		bool is_echo;
	} cases[] = {{1, 8, true}, {1, 0, true}, {1, 3, false}, {58, 128, true}, {58, 129, true},
		{58, 135, false}, {6, 8, false}};
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_ACTION_CALLOUT_INSPECTION);
	f.meta.present |= SL_PRESENT(PROTOCOL) | SL_PRESENT(LOCAL_PORT);
	f.meta.icmp_id = 5;
	f.meta.icmp_sequence = 6;
	for (size_t i = 0; i < SL_ARRAY_LEN(cases); i++) {
		f.meta.protocol = cases[i].protocol;
		f.meta.local_port = cases[i].type;
		invoke_plainly(&f);
		assert_int_equal((recorder.meta.valid & SLUICE_METADATA_ICMP_ID_AND_SEQUENCE) != 0,
			cases[i].is_echo);
		assert_int_equal(recorder.meta.icmp_id, cases[i].is_echo ? 5 : 0);
	}
	stop(&f);
}

/* At ALE layers a packet has a direction of its own only when its flow is judged again (WFP section 1.8). */
static void
test_metadata_of_direction(void **state)
{
	static const struct {
		enum sluice_layer layer;
		bool is_ale;
	} cases[] = {{SLUICE_LAYER_ALE_AUTH_CONNECT_V4, true},
		{SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V6_DISCARD, true},
		{SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V4, true},
		{SLUICE_LAYER_ALE_ENDPOINT_CLOSURE_V6, true},
		{SLUICE_LAYER_STREAM_PACKET_V4, false}, {SLUICE_LAYER_DATAGRAM_DATA_V6, false},
		{SLUICE_LAYER_OUTBOUND_TRANSPORT_V4, false}};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(cases); i++) {
		struct fixture f;

		start(&f, cases[i].layer, SLUICE_ACTION_CALLOUT_INSPECTION);
		invoke_plainly(&f);
		assert_int_equal((recorder.meta.valid & SLUICE_METADATA_PACKET_DIRECTION) == 0,
			cases[i].is_ale);
		f.meta.flow.flags = SLUICE_CONDITION_FLAG_IS_REAUTHORIZE;
		invoke_plainly(&f);
		assert_true((recorder.meta.valid & SLUICE_METADATA_PACKET_DIRECTION) != 0);
		assert_int_equal(recorder.meta.packet_direction, SLUICE_DIRECTION_INBOUND);
		stop(&f);
	}
}

static void
test_metadata_of_a_flow(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_ACTION_CALLOUT_INSPECTION);
	invoke_plainly(&f);
	assert_int_equal(recorder.meta.valid & SLUICE_METADATA_FLOW_HANDLE, 0);
	f.meta.flow.id = 0xabcdef0123456789;
	invoke_plainly(&f);
	assert_true((recorder.meta.valid & SLUICE_METADATA_FLOW_HANDLE) != 0);
	assert_true(recorder.meta.flow_handle == 0xabcdef0123456789);
	stop(&f);
}

static void
reply_at_twin(const struct sluice_classify_in *in)
{
	uint8_t frame[60] = {0};

	assert_int_equal(recorder.host->packet_reply(in->packet, frame, 60), -1);
}

static void
test_discard_twin(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_INBOUND_TRANSPORT_V4_DISCARD, SLUICE_ACTION_CALLOUT_INSPECTION);
	f.env.is_discard = true;
	f.env.discard_reason = "filter";
	f.env.discard_filter_id = 41;
	recorder.during = reply_at_twin;
	invoke_plainly(&f);
	assert_true((recorder.meta.valid & SLUICE_METADATA_DISCARD_REASON) != 0);
	assert_string_equal(recorder.meta.discard_reason, "filter");
	assert_int_equal(recorder.meta.discard_filter_id, 41);
	assert_int_equal(f.env.n_replies, 0);
	assert_int_equal(f.env.n_replies_refused, 0);
	stop(&f);
}

/* --- Answers. --- */

struct sums {
	uint64_t calls, permits, blocks, continues;
};

static struct sums
sums_of(struct fixture *f)
{
	struct sl_plugin_info info;

	assert_true(sl_callout_info(f->registry, 0, &info));
	return (struct sums){info.calls, info.permits, info.blocks, info.continues};
}

/* Answers are counted as arbitration takes them: WFP section 4.4. */
static void
test_counts_as_normalised(void **state)
{
	enum {
		P,
		B,
		C
	};
	static const struct {
		enum sluice_action filter;
		uint32_t rights;
		uint32_t answer;
		int counted;
	} cases[] = {
		{SLUICE_ACTION_CALLOUT_TERMINATING, WRITE, SLUICE_ACTION_PERMIT, P},
		{SLUICE_ACTION_CALLOUT_TERMINATING, WRITE, SLUICE_ACTION_BLOCK, B},
		{SLUICE_ACTION_CALLOUT_TERMINATING, WRITE, SLUICE_ACTION_CONTINUE, B},
		{SLUICE_ACTION_CALLOUT_TERMINATING, WRITE, SLUICE_ACTION_UNTOUCHED, B},
		{SLUICE_ACTION_CALLOUT_TERMINATING, WRITE, 12345, B},
		{SLUICE_ACTION_CALLOUT_TERMINATING, 0, SLUICE_ACTION_UNTOUCHED, C},
		{SLUICE_ACTION_CALLOUT_TERMINATING, 0, SLUICE_ACTION_BLOCK, B},
		{SLUICE_ACTION_CALLOUT_UNKNOWN, WRITE, SLUICE_ACTION_PERMIT, P},
		{SLUICE_ACTION_CALLOUT_UNKNOWN, WRITE, SLUICE_ACTION_BLOCK, B},
		{SLUICE_ACTION_CALLOUT_UNKNOWN, WRITE, SLUICE_ACTION_CONTINUE, C},
		{SLUICE_ACTION_CALLOUT_UNKNOWN, WRITE, SLUICE_ACTION_UNTOUCHED, C},
		{SLUICE_ACTION_CALLOUT_UNKNOWN, WRITE, 12345, C},
		{SLUICE_ACTION_CALLOUT_INSPECTION, WRITE, SLUICE_ACTION_BLOCK, C},
		{SLUICE_ACTION_CALLOUT_INSPECTION, WRITE, SLUICE_ACTION_PERMIT, C},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(cases); i++) {
		struct sluice_classify_out out;
		struct fixture f;
		struct sums sums;

		start(&f, SLUICE_LAYER_INBOUND_TRANSPORT_V4, cases[i].filter);
		assert_int_equal(
			invoke(&f, cases[i].rights, cases[i].answer, cases[i].rights, &out),
			SL_INVOKE_CALLED);
		assert_int_equal(out.action, cases[i].answer);
		sums = sums_of(&f);
		assert_int_equal(sums.calls, 1);
		assert_int_equal(sums.permits, cases[i].counted == P);
		assert_int_equal(sums.blocks, cases[i].counted == B);
		assert_int_equal(sums.continues, cases[i].counted == C);
		stop(&f);
	}
}

/* A callout cannot give itself the right, nor set flags that mean nothing yet. */
static void
test_rights_are_only_lost(void **state)
{
	struct sluice_classify_out out = {.rights = 0};
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_ACTION_CALLOUT_TERMINATING);
	recorder.answer = (struct sluice_classify_out){
		.action = SLUICE_ACTION_BLOCK, .rights = 0xffffffff, .flags = 0xffffffff};
	assert_int_equal(sl_callout_invoke(&f.env, &f.program, 0, &f.meta, &out), SL_INVOKE_CALLED);
	assert_int_equal(out.rights, 0);
	assert_int_equal(out.flags, SLUICE_CLASSIFY_OUT_FLAG_ABSORB);
	stop(&f);
}

static void
test_not_called(void **state)
{
	struct sluice_classify_out out;
	struct sl_plugin *plugin;
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_ACTION_CALLOUT_TERMINATING);
	f.env.worker = 3;
	assert_int_equal(
		invoke(&f, WRITE, SLUICE_ACTION_PERMIT, WRITE, &out), SL_INVOKE_UNREGISTERED);
	f.env.worker = 2;
	f.run.binding.callout = NULL;
	assert_int_equal(
		invoke(&f, WRITE, SLUICE_ACTION_PERMIT, WRITE, &out), SL_INVOKE_UNREGISTERED);
	f.run.binding.callout = f.plugin;
	assert_int_equal(sl_callout_unpublish(f.registry, "recorder", &plugin, NULL), 0);
	assert_int_equal(
		invoke(&f, WRITE, SLUICE_ACTION_PERMIT, WRITE, &out), SL_INVOKE_UNREGISTERED);
	assert_int_equal(out.action, SLUICE_ACTION_UNTOUCHED);
	sl_callout_unload_finish(f.registry, plugin);
	assert_int_equal(
		invoke(&f, WRITE, SLUICE_ACTION_PERMIT, WRITE, &out), SL_INVOKE_UNREGISTERED);
	/* Loaded again: the filter's context is the old load's, so it is still nobody's. */
	assert_int_equal(sl_callout_register(f.registry, &f.callout, NULL), 0);
	assert_int_equal(
		invoke(&f, WRITE, SLUICE_ACTION_PERMIT, WRITE, &out), SL_INVOKE_UNREGISTERED);
	f.run.binding.callout = sl_callout_plugin(f.registry, "recorder");
	assert_int_equal(invoke(&f, WRITE, SLUICE_ACTION_PERMIT, WRITE, &out), SL_INVOKE_CALLED);
	assert_int_equal(sums_of(&f).calls, 1);
	stop(&f);
}

static void
test_conditional_on_flow(void **state)
{
	struct sluice_classify_out out;
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_ACTION_CALLOUT_TERMINATING);
	f.callout.flags = SLUICE_CALLOUT_FLAG_CONDITIONAL_ON_FLOW;
	assert_int_equal(invoke(&f, WRITE, SLUICE_ACTION_BLOCK, 0, &out), SL_INVOKE_SKIPPED);
	assert_int_equal(out.action, SLUICE_ACTION_UNTOUCHED);
	assert_int_equal(sums_of(&f).calls, 0);
	stop(&f);
}

/* At ALE layers there is no context to ask for: flows begin there. */
static void
test_conditional_on_flow_at_ale_layers(void **state)
{
	struct sluice_classify_out out;
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V4, SLUICE_ACTION_CALLOUT_TERMINATING);
	f.callout.flags = SLUICE_CALLOUT_FLAG_CONDITIONAL_ON_FLOW;
	assert_int_equal(invoke(&f, WRITE, SLUICE_ACTION_BLOCK, 0, &out), SL_INVOKE_CALLED);
	stop(&f);
}

/* --- Packet services. --- */

static void
read_packet(const struct sluice_classify_in *in)
{
	const struct sluice_host *host = recorder.host;
	uint8_t to[200];

	assert_int_equal(host->packet_length(in->packet), 3000);
	memset(to, 0xee, sizeof(to));
	assert_int_equal(host->packet_read(in->packet, 10, to, 4), 4);
	assert_memory_equal(to, "\x0a\x0b\x0c\x0d\xee", 5);
	assert_int_equal(host->packet_read(in->packet, 95, to, 200), 5);
	assert_int_equal(host->packet_read(in->packet, 100, to, 1), 0);
	assert_int_equal(host->packet_read(in->packet, 0xffffffff, to, 0xffffffff), 0);
	assert_int_equal(host->packet_read(in->packet, 0, to, 0), 0);
}

static void
test_packet_read(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_ACTION_CALLOUT_INSPECTION);
	for (int i = 0; i < 100; i++)
		f.bytes[i] = (uint8_t)i;
	f.frame.length = 3000;
	recorder.during = read_packet;
	invoke_plainly(&f);
	stop(&f);
}

static void
reply(const struct sluice_classify_in *in)
{
	const struct sluice_host *host = recorder.host;
	uint8_t frame[1600];

	for (int i = 0; i < 1600; i++)
		frame[i] = (uint8_t)(i * 7);
	assert_int_equal(host->packet_reply(in->packet, frame, 13), -22);
	assert_int_equal(host->packet_reply(in->packet, frame, 1515), -22);
	assert_int_equal(host->packet_reply(in->packet, frame, 14), 0);
	for (uint32_t i = 1; i < SL_CALLOUT_REPLIES_MAX; i++)
		assert_int_equal(host->packet_reply(in->packet, frame, 1514), 0);
	assert_int_equal(host->packet_reply(in->packet, frame, 60), -105);
	memset(frame, 0, sizeof(frame));
}

static void
test_packet_reply(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_ACTION_CALLOUT_INSPECTION);
	recorder.during = reply;
	invoke_plainly(&f);
	assert_int_equal(f.env.n_replies, SL_CALLOUT_REPLIES_MAX);
	assert_int_equal(f.env.n_replies_refused, 1);
	assert_int_equal(f.replies[0].packet, 9);
	assert_int_equal(f.replies[0].path, 5);
	assert_int_equal(f.replies[0].length, 14);
	assert_int_equal(f.replies[63].length, 1514);
	for (int i = 0; i < 1514; i++)
		assert_int_equal(f.replies[63].bytes[i], (uint8_t)(i * 7));
	stop(&f);
}

/* What is asked without a packet, where flows are looked at without one. */
static void
ask_nobody(const struct sluice_classify_in *in)
{
	const struct sluice_host *host = recorder.host;
	uint8_t to[60] = {0xee};

	assert_null(in->packet);
	assert_int_equal(host->packet_length(NULL), 0);
	assert_int_equal(host->packet_read(NULL, 0, to, sizeof(to)), 0);
	assert_int_equal(to[0], 0xee);
	assert_int_equal(host->packet_reply(NULL, to, sizeof(to)), -1);
	host->count(NULL, 0, 1);
	assert_int_equal(host->flow_associate(NULL, SLUICE_LAYER_STREAM_PACKET_V4, 1), -2);
	assert_int_equal(host->flow_remove(NULL, SLUICE_LAYER_STREAM_PACKET_V4), -2);
	assert_int_equal(host->flow_abort(NULL), -2);
}

static void
test_no_packet(void **state)
{
	struct sl_plugin_info info;
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_ALE_ENDPOINT_CLOSURE_V4, SLUICE_ACTION_CALLOUT_INSPECTION);
	f.env.frame = NULL;
	recorder.during = ask_nobody;
	invoke_plainly(&f);
	assert_int_equal(f.env.n_replies, 0);
	assert_int_equal(f.env.n_replies_refused, 0);
	assert_int_equal(f.env.n_aborts, 0);
	assert_true(sl_callout_info(f.registry, 0, &info));
	assert_int_equal(info.counters[0], 0);
	stop(&f);
}

static void
count(const struct sluice_classify_in *in)
{
	recorder.host->count(in->packet, 1, 40);
	recorder.host->count(in->packet, 1, 2);
	recorder.host->count(in->packet, 16, 1);
	recorder.host->count(in->packet, 0xffffffff, 1);
}

/* The plugin's counters are summed over workers, and begin anew with each load. */
static void
test_counters(void **state)
{
	static const char *const names[] = {"zero", "one", NULL};
	struct sl_plugin_info info;
	struct sl_plugin *plugin;
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_ACTION_CALLOUT_INSPECTION);
	sl_callout_notify_delete(f.plugin, f.filter, 31337);
	assert_int_equal(sl_callout_unpublish(f.registry, "recorder", &plugin, NULL), 0);
	sl_callout_unload_finish(f.registry, plugin);
	f.callout.counters = names;
	assert_int_equal(sl_callout_register(f.registry, &f.callout, NULL), 0);
	recorder.during = count;
	for (uint32_t worker = 0; worker < 3; worker++) {
		f.env.worker = worker;
		invoke_plainly(&f);
	}
	assert_true(sl_callout_info(f.registry, 0, &info));
	assert_int_equal(info.n_counters, 2);
	assert_string_equal(info.counter_names[1], "one");
	assert_int_equal(info.counters[0], 0);
	assert_int_equal(info.counters[1], 126);
	assert_int_equal(info.calls, 3);
	assert_int_equal(sl_callout_unpublish(f.registry, "recorder", &plugin, NULL), 0);
	sl_callout_unload_finish(f.registry, plugin);
	assert_true(sl_callout_info(f.registry, 0, &info));
	assert_int_equal(info.counters[1], 126);
	assert_int_equal(sl_callout_register(f.registry, &f.callout, NULL), 0);
	assert_true(sl_callout_info(f.registry, 0, &info));
	assert_int_equal(info.counters[1], 0);
	assert_int_equal(info.calls, 0);
	stop(&f);
}

/* --- Workers at work while control unloads. --- */

struct worker {
	pthread_t thread;
	struct sl_callout_env env;
	struct sl_meta meta;
	const struct sl_layer_program *program;
	atomic_uint *n_running;
	bool saw_both;
};

static void
quiet_classify(const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	(void)in;
	out->action = SLUICE_ACTION_CONTINUE;
}

static void *
work(void *arg)
{
	struct worker *worker = arg;
	enum sl_invoke_status status;
	uint64_t n = 0;

	do {
		struct sluice_classify_out out = {.rights = WRITE};

		status = sl_callout_invoke(&worker->env, worker->program, 0, &worker->meta, &out);
		if (status == SL_INVOKE_CALLED && n++ == 0)
			atomic_fetch_add(worker->n_running, 1);
	} while (status == SL_INVOKE_CALLED);
	worker->saw_both = n > 0 && status == SL_INVOKE_UNREGISTERED;
	return NULL;
}

static void
test_unload_under_load(void **state)
{
	struct worker workers[3];
	atomic_uint n_running = 0;
	struct sl_plugin *plugin;
	struct fixture f;

	(void)state;
	start(&f, SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_ACTION_CALLOUT_INSPECTION);
	f.callout.classify = quiet_classify;
	for (uint32_t i = 0; i < 3; i++) {
		workers[i] = (struct worker){.env = f.env,
			.meta = f.meta,
			.program = &f.program,
			.n_running = &n_running};
		workers[i].env.worker = i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	while (atomic_load(&n_running) < 3)
		sched_yield();
	assert_int_equal(sl_callout_unpublish(f.registry, "recorder", &plugin, NULL), 0);
	for (uint32_t i = 0; i < 3; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_true(workers[i].saw_both);
	}
	sl_callout_unload_finish(f.registry, plugin);
	assert_int_equal(recorder.n_deletes, 1);
	stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_is_given),
		cmocka_unit_test(test_values_at_every_layer),
		cmocka_unit_test(test_values_inbound_transport_v4),
		cmocka_unit_test(test_metadata_of_a_frame),
		cmocka_unit_test(test_metadata_of_a_packet),
		cmocka_unit_test(test_metadata_of_echo),
		cmocka_unit_test(test_metadata_of_direction),
		cmocka_unit_test(test_metadata_of_a_flow),
		cmocka_unit_test(test_discard_twin),
		cmocka_unit_test(test_counts_as_normalised),
		cmocka_unit_test(test_rights_are_only_lost),
		cmocka_unit_test(test_not_called),
		cmocka_unit_test(test_conditional_on_flow),
		cmocka_unit_test(test_conditional_on_flow_at_ale_layers),
		cmocka_unit_test(test_packet_read),
		cmocka_unit_test(test_packet_reply),
		cmocka_unit_test(test_no_packet),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_unload_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
