/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/flows.h"

#include "base/sl_addr.h"

#include <stdio.h>
#include <string.h>

/* What the plane did and what it is made of: statistics, workers, ports and links. */

static const char *const port_states[] = {
	[SL_PORT_UP] = "up",
	[SL_PORT_DOWN] = "down",
	[SL_PORT_GONE] = "gone",
};

static json_t *
link_counter_json(const struct sl_link_counter *counter)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "rx_packets", (json_int_t)counter->rx_packets,
		"rx_bytes", (json_int_t)counter->rx_bytes, "tx_packets",
		(json_int_t)counter->tx_packets, "tx_bytes", (json_int_t)counter->tx_bytes,
		"dropped", (json_int_t)counter->dropped);
}

static json_t *
reasons_json(const uint64_t counts[SL_REASON_COUNT])
{
	json_t *json = json_object();

	for (int i = 1; i < SL_REASON_COUNT; i++)
		if (counts[i] > 0)
			api_set(&json, sl_reason_name((enum sl_reason)i),
				json_integer((json_int_t)counts[i]));
	return json;
}

static json_t *
layers_json(const struct sl_counters *sum)
{
	const struct sl_layer *const *layers;
	json_t *json = json_object();
	uint32_t n;

	layers = sl_layer_list(&n);
	for (uint32_t i = 0; i < n; i++) {
		const struct sl_layer_counter *c = &sum->layers[layers[i]->id];

		if (c->permit + c->block + c->absorb > 0)
			api_set(&json, layers[i]->name,
				json_pack("{s:I, s:I, s:I, s:I, s:I}", "permit",
					(json_int_t)c->permit, "block", (json_int_t)c->block,
					"veto", (json_int_t)c->veto, "absorb",
					(json_int_t)c->absorb, "ignored_override",
					(json_int_t)c->ignored_override));
	}
	return json;
}

static json_t *
worker_json(const struct sl_plane *plane, uint32_t i)
{
	const struct sl_counters *counters = plane->ops->counters(plane->ctx, i);
	const struct sl_worker_counter *c = &counters->worker;
	uint64_t busy = sl_counter_read(&c->busy_cycles);
	uint64_t idle = sl_counter_read(&c->idle_cycles);
	struct sl_worker_info info;

	plane->ops->worker_info(plane->ctx, i, &info);
	return json_pack("{s:i, s:i, s:i, s:b, s:s, s:o, s:I, s:I, s:I, s:I, s:f}", "worker",
		(int)i, "lcore", (int)info.lcore, "cpu", (int)info.cpu, "running", info.is_running,
		"poll", info.is_adaptive ? "adaptive" : "busy", "revision",
		api_u64_json(info.revision), "bursts", (json_int_t)sl_counter_read(&c->bursts),
		"empty_polls", (json_int_t)sl_counter_read(&c->empty_polls), "busy_cycles",
		(json_int_t)busy, "idle_cycles", (json_int_t)idle, "busy_ratio",
		busy + idle > 0 ? (double)busy / (double)(busy + idle) : 0.0);
}

static json_t *
workers_json(const struct sl_plane *plane)
{
	json_t *json = json_array();

	for (uint32_t i = 0; plane != NULL && i < plane->ops->n_workers(plane->ctx); i++)
		api_append(&json, worker_json(plane, i));
	return json;
}

static json_t *
links_stats_json(const struct sl_plane *plane, const struct sl_counters *sum)
{
	json_t *json = json_object();

	for (uint32_t i = 0; plane != NULL && i < plane->ops->n_links(plane->ctx); i++) {
		struct sl_link_info info;

		plane->ops->link_info(plane->ctx, i, &info);
		api_set(&json, info.name,
			json_pack("{s:o, s:o}", "inbound",
				link_counter_json(&sum->links[i][SLUICE_DIRECTION_INBOUND]),
				"outbound",
				link_counter_json(&sum->links[i][SLUICE_DIRECTION_OUTBOUND])));
	}
	return json;
}

void
api_stats_get(struct api_request *request, struct api_reply *reply)
{
	const struct sl_plane *plane = sl_control_plane(request->control);
	struct sl_counters sum = {0};
	uint64_t first;
	uint64_t last;
	uint64_t lost;

	sl_control_counters(request->control, &sum);
	sl_control_events(request->control, UINT64_MAX, NULL, 0, &first, &last, &lost);
	api_reply_json(reply, 200,
		json_pack(
			"{s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I, s:I}, s:{s:I, s:I, s:I}, s:o, s:o}",
			"links", links_stats_json(plane, &sum), "drops", reasons_json(sum.reasons),
			"would_drop", reasons_json(sum.would_drop), "layers", layers_json(&sum),
			"workers", workers_json(plane), "replies", "sent",
			(json_int_t)sum.worker.replies_sent, "suppressed",
			(json_int_t)sum.worker.replies_suppressed, "refused",
			(json_int_t)sum.worker.replies_refused, "events", "kept_from",
			(json_int_t)first, "last", (json_int_t)last, "lost", (json_int_t)lost,
			"flows", api_flow_counters_json(&sum.flows), "since",
			api_time_json(sl_control_start_ns(request->control))));
}

static json_t *
port_json(const struct sl_plane *plane, uint32_t i, struct sl_port_info *info)
{
	struct sl_link_info link;
	char mac[SL_MAC_TEXT_MAX];
	json_t *json;

	plane->ops->port_info(plane->ctx, i, info);
	plane->ops->link_info(plane->ctx, info->link, &link);
	json = json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:i, s:i, s:b, s:i, s:i}", "key",
		info->name, "device", info->device, "driver", info->driver, "index",
		(int)info->index, "link", link.name, "side",
		info->side == SL_SIDE_INSIDE ? "inside" : "outside", "state",
		port_states[info->state], "mac", sl_addr_format_mac(info->mac, mac), "mtu",
		(int)info->mtu, "speed_mbps", (int)info->speed_mbps, "promiscuous",
		info->is_promiscuous, "rx_queues", (int)info->n_rx_queues, "tx_queues",
		(int)info->n_tx_queues);
	if (json == NULL)
		return NULL;
	if (info->fault[0] != '\0')
		api_set(&json, "fault", json_string(info->fault));
	api_set(&json, "statistics",
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "rx_packets",
			(json_int_t)info->rx_packets, "rx_bytes", (json_int_t)info->rx_bytes,
			"rx_missed", (json_int_t)info->rx_missed, "rx_errors",
			(json_int_t)info->rx_errors, "rx_no_buffer", (json_int_t)info->rx_no_buffer,
			"tx_packets", (json_int_t)info->tx_packets, "tx_bytes",
			(json_int_t)info->tx_bytes, "tx_errors", (json_int_t)info->tx_errors));
	return json;
}

static void
reply_list(struct api_reply *reply, json_t *items)
{
	json_int_t n = (json_int_t)json_array_size(items);

	api_reply_json(reply, 200,
		json_pack("{s:o, s:n, s:I}", "items", items, "next_cursor", "total", n));
}

void
api_ports_list(struct api_request *request, struct api_reply *reply)
{
	const struct sl_plane *plane = sl_control_plane(request->control);
	struct sl_port_info info;
	json_t *items = json_array();

	for (uint32_t i = 0; plane != NULL && i < plane->ops->n_ports(plane->ctx); i++)
		api_append(&items, port_json(plane, i, &info));
	reply_list(reply, items);
}

void
api_ports_get(struct api_request *request, struct api_reply *reply)
{
	const struct sl_plane *plane = sl_control_plane(request->control);
	struct sl_port_info info;

	for (uint32_t i = 0; plane != NULL && i < plane->ops->n_ports(plane->ctx); i++) {
		json_t *json = port_json(plane, i, &info);

		if (strcmp(info.name, request->key) == 0) {
			api_reply_json(reply, 200, json);
			return;
		}
		json_decref(json);
	}
	api_reply_problem(reply, SL_ERR_PORT_NOT_FOUND,
		"there is no port \"%.100s\"; /v1/ports lists them", request->key);
}

static json_t *
link_json(const struct sl_plane *plane, const struct sl_counters *sum, uint32_t i,
	struct sl_link_info *info)
{
	struct sl_port_info inside;
	struct sl_port_info outside;
	json_t *workers = json_array();

	plane->ops->link_info(plane->ctx, i, info);
	plane->ops->port_info(plane->ctx, info->inside, &inside);
	plane->ops->port_info(plane->ctx, info->outside, &outside);
	for (int w = 0; w < 64; w++)
		if (info->workers >> w & 1)
			api_append(&workers, json_integer(w));
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:o, s:o}}", "key", info->name, "inside",
		inside.name, "outside", outside.name, "state",
		inside.state == SL_PORT_UP && outside.state == SL_PORT_UP ? "up" : "degraded",
		"workers", workers, "statistics", "inbound",
		link_counter_json(&sum->links[i][SLUICE_DIRECTION_INBOUND]), "outbound",
		link_counter_json(&sum->links[i][SLUICE_DIRECTION_OUTBOUND]));
}

void
api_links_list(struct api_request *request, struct api_reply *reply)
{
	const struct sl_plane *plane = sl_control_plane(request->control);
	struct sl_counters sum = {0};
	struct sl_link_info info;
	json_t *items = json_array();

	sl_control_counters(request->control, &sum);
	for (uint32_t i = 0; plane != NULL && i < plane->ops->n_links(plane->ctx); i++)
		api_append(&items, link_json(plane, &sum, i, &info));
	reply_list(reply, items);
}

void
api_links_get(struct api_request *request, struct api_reply *reply)
{
	const struct sl_plane *plane = sl_control_plane(request->control);
	struct sl_counters sum = {0};
	struct sl_link_info info;

	sl_control_counters(request->control, &sum);
	for (uint32_t i = 0; plane != NULL && i < plane->ops->n_links(plane->ctx); i++) {
		json_t *json = link_json(plane, &sum, i, &info);

		if (strcmp(info.name, request->key) == 0) {
			api_reply_json(reply, 200, json);
			return;
		}
		json_decref(json);
	}
	api_reply_problem(reply, SL_ERR_NOT_FOUND,
		"there is no link \"%.100s\"; /v1/links lists them", request->key);
}
