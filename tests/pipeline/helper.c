/* SPDX-License-Identifier: BSD-3-Clause */
#include "helper.h"

#include "packet/sl_build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct mock_call mock_calls[1024];
uint32_t mock_n_calls;
uint32_t mock_n_gone;
uint64_t mock_gone;
uint32_t mock_gone_after;

uint64_t mock_token;
int mock_pend_rc;
mock_pend_fn *mock_on_pend;

static const struct sluice_host *host; /* as the mock was given it */

/* --- The callout. --- */

void
mock_reset(void)
{
	mock_n_calls = 0;
	mock_n_gone = 0;
	mock_gone = 0;
	mock_gone_after = 0;
}

int
mock_complete(uint64_t token, uint64_t answer)
{
	return host->complete(host, token, answer);
}

static uint32_t
number_of(const struct sluice_classify_in *in, enum sluice_field field)
{
	const int index = host->field_index(in->layer, field);

	return index < 0 ? 0 : (uint32_t)in->values[index].number;
}

static void
record(const struct sluice_classify_in *in)
{
	struct mock_call *call = &mock_calls[mock_n_calls++ % SL_ARRAY_LEN(mock_calls)];

	memset(call, 0, sizeof(*call));
	call->layer = in->layer;
	call->packet_length = in->packet == NULL ? 0 : host->packet_length(in->packet);
	call->direction = in->meta->packet_direction;
	call->flow_context = in->flow_context;
	call->flags = number_of(in, SLUICE_FIELD_FLAGS);
	call->reason = number_of(in, SLUICE_FIELD_REAUTHORIZE_REASON);
	call->may_pend = (in->meta->valid & SLUICE_METADATA_COMPLETION_HANDLE) != 0;
	call->has_packet = in->packet != NULL;
	if ((in->meta->valid & SLUICE_METADATA_COMPLETION) != 0)
		call->answer = in->meta->completion;
	if ((in->meta->valid & SLUICE_METADATA_FLOW_HANDLE) != 0)
		call->flow = in->meta->flow_handle;
	if ((in->meta->valid & SLUICE_METADATA_DISCARD_REASON) == 0)
		return;
	snprintf(
		call->discard_reason, sizeof(call->discard_reason), "%s", in->meta->discard_reason);
	call->discard_filter_id = in->meta->discard_filter_id;
}

static void
reply(const struct sluice_classify_in *in)
{
	uint8_t frame[64] = {0};

	host->packet_read(in->packet, host->packet_length(in->packet) - 1, &frame[63], 1);
	host->packet_reply(in->packet, frame, sizeof(frame));
}

static void
associate(const struct sluice_classify_in *in)
{
	host->flow_associate(in->packet, SLUICE_LAYER_STREAM_PACKET_V4, in->meta->flow_handle);
	host->flow_associate(in->packet, SLUICE_LAYER_DATAGRAM_DATA_V4, in->meta->flow_handle);
}

static void
mock_flow_delete(void *callout, uint32_t worker, uint32_t layer, uint64_t flow_context)
{
	(void)callout;
	(void)worker;
	(void)layer;
	mock_n_gone++;
	mock_gone = flow_context;
	mock_gone_after = mock_n_calls;
}

/* What it does about a decision that may be put off. */
static uint64_t
pend(const struct sluice_classify_in *in, uint64_t behaviour)
{
	if ((in->meta->valid & SLUICE_METADATA_COMPLETION) != 0)
		return in->meta->completion;
	mock_pend_rc = host->pend(in->packet, &mock_token);
	if (mock_pend_rc == 0 && mock_on_pend != NULL)
		mock_on_pend(mock_token);
	if (mock_pend_rc == 0)
		return SLUICE_ACTION_BLOCK | MOCK_ABSORB | MOCK_CLEAR_RIGHT |
			(behaviour & MOCK_ABORT);
	return behaviour;
}

static void
mock_classify(const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	uint64_t behaviour = in->filter->raw_context;

	record(in);
	if ((behaviour & MOCK_PEND) != 0)
		behaviour = pend(in, behaviour);
	if ((behaviour & MOCK_REPLY) != 0)
		reply(in);
	if ((behaviour & MOCK_ASSOCIATE) != 0)
		associate(in);
	if ((behaviour & MOCK_ABORT) != 0)
		host->flow_abort(in->packet);
	if ((out->rights & SLUICE_RIGHT_ACTION_WRITE) == 0 && (behaviour & MOCK_VETO) == 0)
		return;
	out->action = behaviour & 0xffff;
	if ((behaviour & MOCK_CLEAR_RIGHT) != 0)
		out->rights &= ~SLUICE_RIGHT_ACTION_WRITE;
	if ((behaviour & MOCK_ABSORB) != 0)
		out->flags |= SLUICE_CLASSIFY_OUT_FLAG_ABSORB;
}

static int
mock_load(const struct sluice_host *lent, void **instance)
{
	host = lent;
	*instance = NULL;
	return 0;
}

static const struct sluice_callout mock = {
	.abi_version = SLUICE_ABI_VERSION,
	.size = sizeof(struct sluice_callout),
	.classify_in_size = sizeof(struct sluice_classify_in),
	.metadata_size = sizeof(struct sluice_metadata),
	.filter_size = sizeof(struct sluice_filter),
	.name = "mock",
	.version = "1",
	.description = "records its calls",
	.load = mock_load,
	.classify = mock_classify,
	.flow_delete = mock_flow_delete,
};

/* --- The policy. --- */

static void
make_path(struct sl_path *path, uint32_t link, enum sluice_direction direction,
	enum sl_link_type link_type)
{
	bool is_inbound = direction == SLUICE_DIRECTION_INBOUND;
	const uint32_t inside = 2 * link + 1, outside = 2 * link + 2;

	*path = (struct sl_path){
		.link = link,
		.direction = direction,
		.link_type = link_type,
		.ports =
			{
				.arrival_luid = is_inbound ? outside : inside,
				.nexthop_luid = is_inbound ? inside : outside,
				.arrival_index = is_inbound ? outside : inside,
				.nexthop_index = is_inbound ? inside : outside,
				.interface_type = 6,
			},
	};
}

static void
on_difference(void *ctx, const struct sl_layer_program *layer, const struct sl_meta *meta,
	uint32_t packet, const uint32_t *compiled, uint32_t n_compiled, const uint32_t *reference,
	uint32_t n_reference)
{
	struct fixture *fixture = ctx;

	(void)layer;
	(void)meta;
	(void)packet;
	assert_true(n_compiled != n_reference ||
		memcmp(compiled, reference, n_compiled * sizeof(*compiled)) != 0);
	fixture->n_differences++;
}

void
fixture_init(struct fixture *fixture, enum sl_engine engine, uint64_t event_rate)
{
	fixture_init_flows(fixture, engine, event_rate, NULL);
}

/* Flows of a zone with one link are known by it; the links without Ethernet have a zone of their own. */
static void
make_paths(struct sl_path paths[N_PATHS], uint8_t second_zone)
{
	make_path(&paths[PATH_IN], 0, SLUICE_DIRECTION_INBOUND, SL_LINK_ETHERNET);
	make_path(&paths[PATH_OUT], 0, SLUICE_DIRECTION_OUTBOUND, SL_LINK_ETHERNET);
	make_path(&paths[PATH_IN_IP], 0, SLUICE_DIRECTION_INBOUND, SL_LINK_IP);
	make_path(&paths[PATH_OUT_IP], 0, SLUICE_DIRECTION_OUTBOUND, SL_LINK_IP);
	make_path(&paths[PATH_IN_2], 1, SLUICE_DIRECTION_INBOUND, SL_LINK_ETHERNET);
	make_path(&paths[PATH_OUT_2], 1, SLUICE_DIRECTION_OUTBOUND, SL_LINK_ETHERNET);
	paths[PATH_IN_IP].flow_zone = 1;
	paths[PATH_OUT_IP].flow_zone = 1;
	paths[PATH_IN_2].flow_zone = second_zone;
	paths[PATH_OUT_2].flow_zone = second_zone;
}

static void
on_asked(void *ctx, const struct sl_flow_key *key)
{
	struct fixture *fixture = ctx;

	fixture->n_asked++;
	fixture->asked = *key;
}

static void
init(struct fixture *fixture, enum sl_engine engine, uint64_t event_rate,
	const struct sl_flow_config *flows, uint8_t second_zone)
{
	struct sl_pipeline_options options = {
		.worker = 3,
		.n_paths = N_PATHS,
		.paths = fixture->paths,
		.event_rate = event_rate,
		.engine = engine,
		.difference = on_difference,
		.difference_ctx = fixture,
		.flows = flows,
		.asked = on_asked,
		.asked_ctx = fixture,
		.now_ns = FIXTURE_NOW_NS,
	};
	struct sl_error err;

	memset(fixture, 0, sizeof(*fixture));
	make_paths(fixture->paths, second_zone);
	fixture->policy = sl_policy_new();
	assert_non_null(fixture->policy);
	assert_int_equal(sl_callout_registry_new(4, &fixture->registry), 0);
	assert_int_equal(sl_callout_register(fixture->registry, &mock, &err), 0);
	assert_int_equal(sl_counters_new(&fixture->counters), 0);
	assert_int_equal(sl_ring_new(64, sizeof(struct sl_event), &fixture->events), 0);
	assert_int_equal(sl_ring_new(64, sizeof(struct sl_flow_command), &fixture->commands), 0);
	fixture->now_ns = FIXTURE_NOW_NS;
	fixture->revision = 7;
	options.completions = sl_callout_completions(fixture->registry, options.worker);
	options.commands = fixture->commands;
	options.counters = fixture->counters;
	options.events = fixture->events;
	assert_int_equal(sl_pipeline_new(&options, &fixture->pipeline), 0);
	mock_reset();
}

void
fixture_init_flows(struct fixture *fixture, enum sl_engine engine, uint64_t event_rate,
	const struct sl_flow_config *flows)
{
	init(fixture, engine, event_rate, flows, 2);
}

void
fixture_init_zone(struct fixture *fixture, const struct sl_flow_config *flows)
{
	init(fixture, SL_ENGINE_CHECK, 0, flows, 0);
}

/* What fixture_compile bound. */
static void
unbind(const struct sl_layer_program *program)
{
	const struct sl_filter_run *filter;

	for (uint32_t rank = 0; program != NULL && rank < program->n_filters; rank++) {
		filter = &program->filters[rank];
		if (filter->binding.callout != NULL)
			sl_callout_notify_delete(
				filter->binding.callout, filter->object, filter->binding.context);
	}
}

void
fixture_fini(struct fixture *fixture)
{
	for (int i = 0; fixture->snapshot != NULL && i < SLUICE_LAYER_COUNT; i++)
		unbind(fixture->snapshot->layers[i]);
	sl_pipeline_free(fixture->pipeline);
	sl_snapshot_free(fixture->snapshot);
	sl_ring_free(fixture->commands);
	sl_ring_free(fixture->events);
	sl_counters_free(fixture->counters);
	sl_policy_free(fixture->policy);
	sl_callout_registry_free(fixture->registry);
}

struct sl_filter *
fixture_filter(enum sluice_layer layer, const char *key, const char *sublayer)
{
	struct sl_filter *filter = sl_filter_of(sl_object_new(SL_OBJECT_FILTER));

	filter->object.key = strdup(key);
	filter->object.name = strdup(key);
	filter->layer = sl_layer_by_id(layer);
	filter->sublayer = sublayer == NULL ? NULL : strdup(sublayer);
	filter->action = SLUICE_ACTION_PERMIT;
	return filter;
}

void
fixture_condition(struct sl_filter *filter, enum sluice_field field, enum sl_match match,
	enum sluice_data_type type, uint64_t number)
{
	size_t size = (filter->n_conditions + 1) * sizeof(struct sl_condition);

	filter->conditions = realloc(filter->conditions, size);
	filter->conditions[filter->n_conditions++] = (struct sl_condition){
		.field = field,
		.match = match,
		.value = {.type = type, .low.number = number},
	};
}

static void
add_object(struct fixture *fixture, struct sl_object *object)
{
	struct sl_problems problems = {0};
	struct sl_error err = {0};

	if (!sl_object_finish(object, "", &problems))
		fail_msg("%s: %s", problems.list[0].pointer, problems.list[0].detail);
	if (sl_policy_add(fixture->policy, object, &err) != 0)
		fail_msg("%s", err.text);
}

void
fixture_add(struct fixture *fixture, struct sl_filter *filter)
{
	add_object(fixture, &filter->object);
}

void
fixture_add_all(struct fixture *fixture, enum sluice_layer layer, const char *key,
	const char *sublayer, enum sluice_action action)
{
	struct sl_filter *filter = fixture_filter(layer, key, sublayer);

	filter->action = action;
	fixture_add(fixture, filter);
}

/* The callout object of a plugin at a layer; made when it is asked for first. */
static const char *
callout_key(struct fixture *fixture, enum sluice_layer layer, const char *plugin, char key[65])
{
	struct sl_callout_object *callout;

	snprintf(key, 65, "%s-%u", plugin, (unsigned int)layer);
	if (sl_policy_find(fixture->policy, SL_OBJECT_CALLOUT, key) != NULL)
		return key;
	callout = sl_callout_object_of(sl_object_new(SL_OBJECT_CALLOUT));
	callout->object.key = strdup(key);
	callout->object.name = strdup(key);
	callout->layer = sl_layer_by_id(layer);
	callout->plugin = strdup(plugin);
	add_object(fixture, &callout->object);
	return key;
}

static void
add_callout_filter(struct fixture *fixture, struct sl_filter *filter, const char *plugin,
	enum sluice_action action, uint64_t behaviour)
{
	char key[65];

	filter->action = action;
	filter->callout = strdup(callout_key(fixture, filter->layer->id, plugin, key));
	filter->raw_context = behaviour;
	fixture_add(fixture, filter);
}

void
fixture_add_mock(struct fixture *fixture, enum sluice_layer layer, const char *key,
	const char *sublayer, enum sluice_action action, uint64_t behaviour)
{
	add_callout_filter(
		fixture, fixture_filter(layer, key, sublayer), "mock", action, behaviour);
}

void
fixture_add_mock_filter(struct fixture *fixture, struct sl_filter *filter,
	enum sluice_action action, uint64_t behaviour)
{
	add_callout_filter(fixture, filter, "mock", action, behaviour);
}

void
fixture_add_missing(
	struct fixture *fixture, enum sluice_layer layer, const char *key, const char *sublayer)
{
	add_callout_filter(fixture, fixture_filter(layer, key, sublayer), "missing",
		SLUICE_ACTION_CALLOUT_TERMINATING, 0);
}

/* A key has the same counter for as long as the fixture lives. */
static uint32_t
counter_of(struct fixture *fixture, const struct sl_filter *filter)
{
	uint32_t i = 0;

	while (i < fixture->n_counters && strcmp(fixture->keys[i], filter->object.key) != 0)
		i++;
	assert_true(i < SL_ARRAY_LEN(fixture->keys));
	if (i == fixture->n_counters)
		snprintf(fixture->keys[fixture->n_counters++], sizeof(fixture->keys[0]), "%s",
			filter->object.key);
	return i;
}

static int
bind(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	struct fixture *fixture = ctx;
	const struct sl_object *object;

	*binding = (struct sl_filter_binding){.counter = counter_of(fixture, filter)};
	if (!sl_action_is_callout(filter->action))
		return 0;
	object = sl_policy_find(fixture->policy, SL_OBJECT_CALLOUT, filter->callout);
	binding->callout =
		sl_callout_plugin(fixture->registry, sl_callout_object_of(object)->plugin);
	return sl_callout_notify_add(binding->callout, filter, NULL, &binding->context, err);
}

static struct sl_snapshot *
compile(struct fixture *fixture, const struct sl_snapshot *previous)
{
	const struct sl_compile_host compile_host = {.bind = bind, .ctx = fixture};
	struct sl_problems problems = {0};
	struct sl_snapshot *snapshot = NULL;
	struct sl_error err = {0};

	if (!sl_policy_check(fixture->policy, NULL, NULL, &problems))
		fail_msg("%s: %s", problems.list[0].pointer, problems.list[0].detail);
	if (sl_snapshot_compile(fixture->policy, fixture->revision, previous, NULL, &compile_host,
		    &snapshot, &err) != 0)
		fail_msg("%s", err.text);
	return snapshot;
}

void
fixture_compile(struct fixture *fixture)
{
	fixture->snapshot = compile(fixture, NULL);
}

struct sl_snapshot *
fixture_replace(struct fixture *fixture)
{
	struct sl_snapshot *previous = fixture->snapshot;

	fixture->revision++;
	fixture->snapshot = compile(fixture, previous);
	return previous;
}

void
fixture_retire(struct sl_snapshot *snapshot)
{
	for (int i = 0; snapshot != NULL && i < SLUICE_LAYER_COUNT; i++)
		unbind(snapshot->layers[i]);
	sl_snapshot_free(snapshot);
}

void
fixture_commit(struct fixture *fixture)
{
	fixture_retire(fixture_replace(fixture));
}

void
fixture_remove(struct fixture *fixture, const char *key)
{
	sl_policy_remove(fixture->policy, SL_OBJECT_FILTER, key);
}

void
fixture_run(struct fixture *fixture, uint32_t path, const struct sl_frame *frames, uint32_t n,
	struct sl_outcome *outcomes)
{
	sl_pipeline_run(fixture->pipeline, fixture->snapshot, SL_MODE_INLINE, path, frames, n,
		fixture->now_ns, outcomes);
}

const char *
fixture_key(const struct fixture *fixture, const struct sl_outcome *outcome)
{
	if (!outcome->has_layer || outcome->rank == SL_RANK_NONE)
		return "";
	return fixture->snapshot->layers[outcome->layer]->filters[outcome->rank].object->object.key;
}

/* --- Packets. --- */

static const uint8_t mac_in[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t mac_out[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t host_in6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
static const uint8_t host_out6[16] = {0x20, 0x01, 0x0d, 0xb8, 1, [15] = 7};

static void
start(struct packet *packet, struct sl_build *build)
{
	memset(packet, 0, sizeof(*packet));
	sl_build_init(build, packet->bytes, sizeof(packet->bytes));
	sl_build_ethernet(build, mac_in, mac_out);
}

static void
finish(struct packet *packet, struct sl_build *build)
{
	uint32_t length = sl_build_finish(build);

	assert_true(length > 0);
	packet->frame = (struct sl_frame){
		.bytes = packet->bytes,
		.contiguous = length,
		.length = length,
	};
}

void
packet_udp4(struct packet *packet, uint16_t dst_port, uint8_t mark)
{
	struct sl_build build;

	start(packet, &build);
	sl_build_ip4(&build, HOST_OUT, HOST_IN);
	sl_build_udp(&build, 4000, dst_port);
	sl_build_bytes(&build, &mark, 1);
	finish(packet, &build);
}

void
packet_udp6(struct packet *packet, uint16_t dst_port, uint8_t mark)
{
	struct sl_build build;

	start(packet, &build);
	sl_build_ip6(&build, host_out6, host_in6);
	sl_build_udp(&build, 4000, dst_port);
	sl_build_bytes(&build, &mark, 1);
	finish(packet, &build);
}

void
packet_error4(struct packet *packet)
{
	struct sl_build build, inner;
	uint8_t bytes[28];

	sl_build_init(&inner, bytes, sizeof(bytes));
	sl_build_ip4(&inner, HOST_IN, HOST_OUT);
	sl_build_udp(&inner, 53, 4000);
	assert_int_equal(sl_build_finish(&inner), sizeof(bytes));
	start(packet, &build);
	sl_build_ip4(&build, HOST_OUT, HOST_IN);
	sl_build_icmp(&build, 3, 3, 0);
	sl_build_bytes(&build, bytes, sizeof(bytes));
	finish(packet, &build);
}

void
packet_error6(struct packet *packet)
{
	struct sl_build build, inner;
	uint8_t bytes[48];

	sl_build_init(&inner, bytes, sizeof(bytes));
	sl_build_ip6(&inner, host_in6, host_out6);
	sl_build_udp(&inner, 53, 4000);
	assert_int_equal(sl_build_finish(&inner), sizeof(bytes));
	start(packet, &build);
	sl_build_ip6(&build, host_out6, host_in6);
	sl_build_icmp(&build, 1, 4, 0);
	sl_build_bytes(&build, bytes, sizeof(bytes));
	finish(packet, &build);
}

void
packet_arp(struct packet *packet)
{
	static const uint8_t request[28] = {0, 1, 8, 0, 6, 4, 0, 1, [14] = 198, 51, 100, 7};
	struct sl_build build;

	start(packet, &build);
	sl_build_type(&build, 0x0806);
	sl_build_bytes(&build, request, sizeof(request));
	finish(packet, &build);
}

void
packet_broken4(struct packet *packet)
{
	packet_udp4(packet, 80, 1);
	packet->bytes[24] ^= 1;
}

void
packet_broken6(struct packet *packet)
{
	packet_udp6(packet, 80, 1);
	packet->bytes[18] = 0x7f;
}

void
packet_fragment4(struct packet *packet)
{
	packet_udp4(packet, 80, 1);
	packet->bytes[21] = 8;
	sl_build_ip4_checksum(&packet->bytes[14]);
}

void
packet_strip(struct packet *packet)
{
	packet->frame.bytes += 14;
	packet->frame.contiguous -= 14;
	packet->frame.length -= 14;
}
