/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/explain.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/*
 * POST /v1/explain: every layer, sublayer and filter in order for one packet, or one layer for given values.
 *
 * The pipeline walks.  Nothing is counted and no callout called.
 */

#define FRAME_MAX 9728 /* bytes of a frame that can be explained */

/* --- The packet form. --- */

static int
hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = tolower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads hexadecimal bytes; blanks and colons between bytes are passed over. -1: not hexadecimal or too long. */
static int
read_hex(const char *text, uint8_t *bytes, size_t max)
{
	size_t n = 0;

	while (*text != '\0') {
		int high;
		int low;

		if (strchr(" :\t\r\n", *text) != NULL) {
			text++;
			continue;
		}
		high = hex_digit((unsigned char)text[0]);
		low = high < 0 ? -1 : hex_digit((unsigned char)text[1]);
		if (low < 0 || n == max)
			return -1;
		bytes[n++] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	return (int)n;
}

/* The constants of the two ports of a link, as the datapath sets them. */
static void
set_ports(const struct sl_plane *plane, uint32_t link, struct explain_path *path)
{
	struct sl_link_info link_info;
	struct sl_port_info in;
	struct sl_port_info out;
	bool is_inbound = path->path.direction == SLUICE_DIRECTION_INBOUND;
	struct sl_meta_ports *ports = &path->path.ports;

	path->path.link = link;
	ports->interface_type = 6;
	ports->arrival_name = &path->arrival;
	ports->nexthop_name = &path->nexthop;
	if (plane == NULL || link >= plane->ops->n_links(plane->ctx))
		return;
	plane->ops->link_info(plane->ctx, link, &link_info);
	plane->ops->port_info(plane->ctx, is_inbound ? link_info.outside : link_info.inside, &in);
	plane->ops->port_info(plane->ctx, is_inbound ? link_info.inside : link_info.outside, &out);
	ports->arrival_index = in.index;
	ports->arrival_luid = in.index;
	ports->nexthop_index = out.index;
	ports->nexthop_luid = out.index;
	ports->outside_index = is_inbound ? in.index : out.index;
	ports->outside_luid = ports->outside_index;
	memcpy(ports->outside_mac, is_inbound ? in.mac : out.mac, 6);
	memcpy(path->arrival_text, in.name, sizeof(in.name));
	memcpy(path->nexthop_text, out.name, sizeof(out.name));
	path->arrival = (struct sl_blob){
		(const uint8_t *)path->arrival_text, (uint32_t)strlen(path->arrival_text)};
	path->nexthop = (struct sl_blob){
		(const uint8_t *)path->nexthop_text, (uint32_t)strlen(path->nexthop_text)};
}

static bool
find_link(const struct sl_plane *plane, const char *name, uint32_t *link)
{
	struct sl_link_info info;

	for (uint32_t i = 0; plane != NULL && i < plane->ops->n_links(plane->ctx); i++) {
		plane->ops->link_info(plane->ctx, i, &info);
		if (strcmp(info.name, name) == 0) {
			*link = i;
			return true;
		}
	}
	return false;
}

static void
read_direction(const json_t *json, enum sluice_direction *direction, struct sl_problems *problems)
{
	const char *text = json_string_value(json);

	if (text != NULL && strcmp(text, "inbound") == 0)
		*direction = SLUICE_DIRECTION_INBOUND;
	else if (text != NULL && strcmp(text, "outbound") == 0)
		*direction = SLUICE_DIRECTION_OUTBOUND;
	else
		sl_problems_add(problems, SL_ERR_INVALID_ENUMERATOR, "/direction",
			"direction is not \"inbound\" or \"outbound\"");
}

static void
read_flow(const json_t *json, enum sl_explain_flow *flow, struct sl_problems *problems)
{
	static const char *const names[] = {
		[SL_EXPLAIN_FLOW_NEW] = "new",
		[SL_EXPLAIN_FLOW_ESTABLISHED] = "established",
		[SL_EXPLAIN_FLOW_REPLY] = "reply",
	};
	const char *text = json_string_value(json);

	*flow = SL_EXPLAIN_FLOW_NEW;
	if (json == NULL)
		return;
	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++) {
		if (text != NULL && strcmp(text, names[i]) == 0) {
			*flow = (enum sl_explain_flow)i;
			return;
		}
	}
	sl_problems_add(problems, SL_ERR_INVALID_ENUMERATOR, "/flow",
		"flow is not \"new\", \"established\" or \"reply\"");
}

static void
read_link(const struct sl_plane *plane, const json_t *json, uint32_t *link,
	struct sl_problems *problems)
{
	const char *name = json_string_value(json);

	if (json != NULL && name == NULL)
		sl_problems_add(
			problems, SL_ERR_TYPE_MISMATCH, "/link", "link is not the name of a link");
	else if (name != NULL && !find_link(plane, name, link))
		sl_problems_add(problems, SL_ERR_INVALID_PARAMETER, "/link",
			"there is no link \"%.80s\"; /v1/links lists them", name);
}

static int
read_frame(const json_t *json, uint8_t *bytes, struct sl_problems *problems)
{
	const char *hex = json_string_value(json);
	int n = hex != NULL ? read_hex(hex, bytes, FRAME_MAX) : -1;

	if (n <= 0)
		sl_problems_add(problems, SL_ERR_INVALID_PARAMETER, "/packet",
			"packet is not an Ethernet frame of 1 to %d bytes in hexadecimal",
			FRAME_MAX);
	return n;
}

static void
explain_packet(struct api_request *request, const json_t *json, struct api_reply *reply)
{
	const struct sl_plane *plane = sl_control_plane(request->control);
	struct sl_problems problems = {0};
	struct explain_path path = {0};
	struct sl_frame frame = {0};
	enum sl_explain_flow flow;
	uint32_t link = 0;
	uint8_t *bytes = calloc(1, FRAME_MAX);
	int n;

	if (bytes == NULL) {
		api_reply_json(reply, 507, NULL);
		return;
	}
	n = read_frame(json_object_get(json, "packet"), bytes, &problems);
	read_direction(json_object_get(json, "direction"), &path.path.direction, &problems);
	read_link(plane, json_object_get(json, "link"), &link, &problems);
	read_flow(json_object_get(json, "flow"), &flow, &problems);
	if (problems.n_total > 0) {
		api_reply_problems(reply, &problems, true);
	} else {
		frame.bytes = bytes;
		frame.contiguous = (uint32_t)n;
		frame.length = (uint32_t)n;
		set_ports(plane, link, &path);
		explain_reply_packet(request, &path, &frame, flow, reply);
	}
	sl_problems_fini(&problems);
	free(bytes);
}

/* --- The values form. --- */

static void
store_value(struct sl_meta *meta, enum sl_slot slot, const struct sl_condition_value *value,
	struct sl_blob *blob)
{
	uint8_t *at = (uint8_t *)meta + sl_slot_info[slot].offset;
	uint8_t u8 = (uint8_t)value->low.number;
	uint16_t u16 = (uint16_t)value->low.number;
	uint32_t u32 = (uint32_t)value->low.number;

	if (value->type == SLUICE_TYPE_EMPTY) {
		meta->present &= ~((uint64_t)1 << slot);
		return;
	}
	meta->present |= (uint64_t)1 << slot;
	if (sl_slot_info[slot].kind == SL_SLOT_KIND_BLOB) {
		*blob = (struct sl_blob){(const uint8_t *)value->text, (uint32_t)value->text_len};
		memcpy(at, &blob, sizeof(blob));
	} else if (sl_slot_info[slot].kind == SL_SLOT_KIND_BYTES) {
		memcpy(at, value->low.bytes, sl_slot_info[slot].size);
	} else if (sl_slot_info[slot].size == 1) {
		memcpy(at, &u8, 1);
	} else if (sl_slot_info[slot].size == 2) {
		memcpy(at, &u16, 2);
	} else if (sl_slot_info[slot].size == 4) {
		memcpy(at, &u32, 4);
	} else {
		memcpy(at, &value->low.number, 8);
	}
}

/* Reads the values into `meta`; every fault is a problem. `texts` and `blobs` have room for every field. */
static void
read_values(const struct sl_layer *layer, const json_t *values, struct sl_meta *meta, char *texts[],
	struct sl_blob blobs[], struct sl_problems *problems)
{
	const char *name;
	json_t *json;

	json_object_foreach((json_t *)(uintptr_t)values, name, json) {
		uint8_t index;
		const struct sl_layer_field *field = sl_layer_field_find(layer, name, &index);
		struct sl_condition_value value = {0};
		struct sl_buf pointer = {0};
		enum sl_slot slot;

		sl_buf_printf(&pointer, "/values/%s", name);
		if (field == NULL) {
			sl_problems_add(problems, SL_ERR_CONDITION_NOT_FOUND, sl_buf_text(&pointer),
				"layer %s has no field \"%.60s\"; /v1/layers/%s lists them",
				layer->name, name, layer->name);
		} else if (sl_document_read_value(
				   field, json, sl_buf_text(&pointer), &value, problems)) {
			slot = sl_meta_slot(layer, field->field);
			free(texts[index]);
			texts[index] = value.text;
			if (slot != SL_SLOT_NONE)
				store_value(meta, slot, &value, &blobs[index]);
		}
		sl_buf_fini(&pointer);
	}
}

static void
explain_values(struct api_request *request, const json_t *json, struct api_reply *reply)
{
	const char *name = json_string_value(json_object_get(json, "layer"));
	const struct sl_layer *layer = name != NULL ? sl_layer_find(name) : NULL;
	const json_t *values = json_object_get(json, "values");
	struct sl_problems problems = {0};
	char *texts[SLUICE_FIELDS_MAX] = {0};
	struct sl_blob blobs[SLUICE_FIELDS_MAX] = {{0}};
	struct sl_meta meta;

	memset(&meta, 0, sizeof(meta));
	if (layer == NULL)
		sl_problems_add(&problems, SL_ERR_LAYER_NOT_FOUND, "/layer",
			"layer is missing or unknown; /v1/layers lists them");
	else if (layer->status != SL_LAYER_WORKING)
		sl_problems_add(&problems,
			layer->status == SL_LAYER_FLOW ? SL_ERR_LAYER_NOT_SUPPORTED
						       : SL_ERR_INCOMPATIBLE_LAYER,
			"/layer", "layer %s takes no filters: %s", layer->name, layer->why);
	else if (values != NULL && !json_is_object(values))
		sl_problems_add(&problems, SL_ERR_TYPE_MISMATCH, "/values",
			"values is not an object of fields and values");
	else if (values != NULL)
		read_values(layer, values, &meta, texts, blobs, &problems);
	if (problems.n_total > 0)
		api_reply_problems(reply, &problems, true);
	else
		explain_reply_layer(request, layer, &meta, reply);
	for (size_t i = 0; i < SLUICE_FIELDS_MAX; i++)
		free(texts[i]);
	sl_problems_fini(&problems);
}

static bool
check_members(const json_t *json, const char *const *allowed, struct api_reply *reply)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)json, name, value) {
		const char *const *a = allowed;

		while (*a != NULL && strcmp(*a, name) != 0)
			a++;
		if (*a == NULL) {
			api_reply_problem(reply, SL_ERR_RESERVED,
				"unknown member \"%.40s\"; allowed: packet, direction, link, "
				"flow or layer, values",
				name);
			return false;
		}
	}
	return true;
}

void
api_explain_post(struct api_request *request, struct api_reply *reply)
{
	static const char *const packet_members[] = {"packet", "direction", "link", "flow", NULL};
	static const char *const value_members[] = {"layer", "values", NULL};
	const json_t *json = api_request_json(request, reply);

	if (json == NULL)
		return;
	if (!json_is_object(json)) {
		api_reply_problem(reply, SL_ERR_TYPE_MISMATCH, "the body is not an object");
	} else if (json_object_get(json, "packet") != NULL) {
		if (check_members(json, packet_members, reply))
			explain_packet(request, json, reply);
	} else if (json_object_get(json, "layer") != NULL) {
		if (check_members(json, value_members, reply))
			explain_values(request, json, reply);
	} else {
		api_reply_problem(reply, SL_ERR_NULL_POINTER,
			"the body has neither \"packet\" (with \"direction\") nor \"layer\" (with "
			"\"values\")");
	}
}
