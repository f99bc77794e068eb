/* SPDX-License-Identifier: BSD-3-Clause */
#include "sluiced_config.h"

#include "config_reader.h"
#include "flows_config.h"

#include "base/sl_buf.h"
#include "base/sl_uuid.h"
#include "document/sl_document.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#define FILE_MEMORY_MAX (64u << 20)
#define SOCKET_DEFAULT  "/run/sluice/api.sock"
#define MEGABYTES       512u
#define LINK_NAME_MAX   (SL_PORT_NAME_MAX - sizeof(".outside"))

/* --- Links. --- */

static void
read_device(const struct config_reader *reader, const char *name, char device[256])
{
	const char *text = config_text(reader, name, NULL);
	struct sl_error err;

	if (text == NULL) {
		if (json_object_get(reader->json, name) == NULL)
			config_fault(reader, SL_ERR_NULL_POINTER, name,
				"is missing; expected a device such as \"af_packet:IFACE\"");
		return;
	}
	if (sl_datapath_check_device(text, &err) != 0) {
		config_fault(reader, err.code, name, "%s", err.text);
		return;
	}
	snprintf(device, 256, "%s", text);
}

static void
read_link(const struct config_reader *reader, uint8_t place, struct sl_link_config *link)
{
	const char *name = config_text(reader, "name", NULL);

	config_check_members(
		reader, "name inside outside mtu inside_profile outside_profile flow_zone");
	if (name == NULL) {
		if (json_object_get(reader->json, "name") == NULL)
			config_fault(reader, SL_ERR_NULL_POINTER, "name",
				"is missing; a link needs a name");
	} else if (!sl_key_is_valid(name) || strlen(name) > LINK_NAME_MAX) {
		config_fault(reader, SL_ERR_INVALID_PARAMETER, "name",
			"\"%.80s\" is not a name; expected 1 to %zu characters a-z, 0-9, '.', '_', "
			"'-'",
			name, LINK_NAME_MAX);
	} else {
		snprintf(link->name, sizeof(link->name), "%s", name);
	}
	read_device(reader, "inside", link->inside);
	read_device(reader, "outside", link->outside);
	link->mtu = (uint16_t)config_number(reader, "mtu", 68, 9710, 0);
	link->inside_profile = (uint32_t)config_number(reader, "inside_profile", 0, UINT32_MAX, 0);
	link->outside_profile =
		(uint32_t)config_number(reader, "outside_profile", 0, UINT32_MAX, 0);
	link->flow_zone = (uint8_t)config_number(reader, "flow_zone", 0, UINT8_MAX, place);
}

/* A link's name must be its own, and so must its devices be, apart from files and nothing. */
static void
check_unique(const struct config_reader *reader, const struct sl_link_config *links, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (links[n].name[0] != '\0' && strcmp(links[n].name, links[i].name) == 0)
			config_fault(reader, SL_ERR_ALREADY_EXISTS, "name",
				"link %u has the name \"%s\" already", i, links[i].name);
	}
}

static void
read_links(const struct config_reader *reader, struct sluiced_config *config)
{
	const json_t *list = config_member(reader, "links", JSON_ARRAY, "an array of links"),
		     *value;
	size_t i;

	if (json_object_get(reader->json, "links") == NULL)
		config_fault(reader, SL_ERR_NULL_POINTER, "links",
			"is missing; at least one link is needed");
	if (list == NULL)
		return;
	if (json_array_size(list) == 0 || json_array_size(list) > SL_DATAPATH_LINKS_MAX) {
		config_fault(reader, SL_ERR_OUT_OF_BOUNDS, "links",
			"has %zu links; allowed are 1 to %u", json_array_size(list),
			SL_DATAPATH_LINKS_MAX);
		return;
	}
	json_array_foreach(list, i, value) {
		struct config_reader inner = {.json = value, .problems = reader->problems};

		snprintf(inner.pointer, sizeof(inner.pointer), "/links/%zu", i);
		if (!json_is_object(value)) {
			config_fault(&inner, SL_ERR_TYPE_MISMATCH, "", "is %s; expected a link",
				config_type_name(value));
			continue;
		}
		read_link(&inner, (uint8_t)i, &config->links[i]);
		check_unique(&inner, config->links, (uint32_t)i);
	}
	config->datapath.links = config->links;
	config->datapath.n_links = (uint32_t)json_array_size(list);
}

/* --- The rest. --- */

/* "auto" is 0 to the datapath. */
static uint32_t
read_workers(const struct config_reader *reader)
{
	const json_t *value = json_object_get(reader->json, "workers");

	if (json_is_string(value)) {
		if (strcmp(json_string_value(value), "auto") != 0)
			config_fault(reader, SL_ERR_INVALID_ENUMERATOR, "workers",
				"is \"%.64s\"; expected \"auto\" or a number",
				json_string_value(value));
		return 0;
	}
	return (uint32_t)config_number(reader, "workers", 1, SL_DATAPATH_WORKERS_MAX, 0);
}

static void
read_datapath(const struct config_reader *reader, struct sluiced_config *config)
{
	static const char *const polls[] = {
		[SL_POLL_ADAPTIVE] = "adaptive", [SL_POLL_BUSY] = "busy"};
	struct sl_datapath_config *datapath = &config->datapath;
	struct config_reader memory = config_enter(reader, "memory"),
			     descriptors = config_enter(reader, "descriptors");
	struct config_reader events = config_enter(reader, "events");

	datapath->n_workers = read_workers(reader);
	datapath->poll = (enum sl_poll)config_name(
		reader, "poll", polls, SL_ARRAY_LEN(polls), SL_POLL_ADAPTIVE);
	datapath->burst = (uint32_t)config_number(reader, "burst", 1, SL_PIPELINE_BURST_MAX, 0);
	config_check_members(&memory, "hugepages megabytes compiled_megabytes");
	datapath->hugepages = config_bool(&memory, "hugepages", false);
	datapath->megabytes = (uint32_t)config_number(&memory, "megabytes", 32, 1 << 20, MEGABYTES);
	config->compile_memory_max =
		(size_t)config_number(&memory, "compiled_megabytes", 1, 1 << 20, 0) << 20;
	config_check_members(&descriptors, "rx tx");
	datapath->rx_descriptors = (uint32_t)config_number(&descriptors, "rx", 64, 32768, 0);
	datapath->tx_descriptors = (uint32_t)config_number(&descriptors, "tx", 64, 32768, 0);
	config_check_members(&events, "rate log");
	datapath->event_rate = config_number(&events, "rate", 0, 10000000, SL_EVENT_RATE_USUAL);
	config->event_log = (uint32_t)config_number(&events, "log", 1, 1 << 24, 0);
	config->eal = config_texts(reader, "eal", &datapath->n_eal);
	datapath->eal = config->eal;
}

/* "0660": octal digits, as chmod takes them. */
static uint32_t
read_mode(const struct config_reader *reader)
{
	const char *text = config_text(reader, "mode", NULL);
	char *end;
	unsigned long mode;

	if (text == NULL)
		return 0;
	mode = strtoul(text, &end, 8);
	if (text[0] >= '0' && text[0] <= '7' && *end == '\0' && mode > 0 && mode <= 0777)
		return (uint32_t)mode;
	config_fault(reader, SL_ERR_INVALID_PARAMETER, "mode",
		"is \"%.16s\"; expected octal digits such as \"0660\"", text);
	return 0;
}

static void
read_api(const struct config_reader *outer, struct sl_api_config *api)
{
	struct config_reader reader = config_enter(outer, "api");

	config_check_members(
		&reader, "socket mode group body_max request_memory_max connections_max timeout_s");
	api->socket = config_text(&reader, "socket", SOCKET_DEFAULT);
	if (api->socket[0] != '/' ||
		strlen(api->socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		config_fault(&reader, SL_ERR_INVALID_PARAMETER, "socket",
			"\"%.160s\" is not an absolute path of at most %zu characters", api->socket,
			sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
	api->socket_mode = read_mode(&reader);
	api->socket_group = config_text(&reader, "group", NULL);
	if (api->socket_group != NULL && getgrnam(api->socket_group) == NULL)
		config_fault(&reader, SL_ERR_NOT_FOUND, "group",
			"this machine has no group named \"%.64s\"", api->socket_group);
	api->body_max = config_number(&reader, "body_max", 1024, UINT32_MAX, 0);
	api->request_memory_max =
		config_number(&reader, "request_memory_max", 65536, (uint64_t)1 << 40, 0);
	api->connections_max = (uint32_t)config_number(&reader, "connections_max", 1, 65536, 0);
	api->timeout_s = (uint32_t)config_number(&reader, "timeout_s", 1, 3600, 0);
}

static void
read_files(const struct config_reader *reader, struct sluiced_config *config)
{
	struct stat state;

	config->policy_files = config_texts(reader, "policy", &config->n_policy_files);
	config->plugin_folders = config_texts(reader, "plugins", &config->n_plugin_folders);
	for (uint32_t i = 0; i < config->n_plugin_folders; i++) {
		char place[64];

		snprintf(place, sizeof(place), "plugins/%u", i);
		if (stat(config->plugin_folders[i], &state) != 0)
			config_fault(reader, SL_ERR_NOT_FOUND, place, "\"%.200s\": %s",
				config->plugin_folders[i], strerror(errno));
		else if (!S_ISDIR(state.st_mode))
			config_fault(reader, SL_ERR_INVALID_PARAMETER, place,
				"\"%.200s\" is not a folder", config->plugin_folders[i]);
	}
	config->store = config_text(reader, "store", NULL);
}

/* Flows that cannot be written at a stop would be missed too late. */
static void
check_save(const struct config_reader *reader, const char *save)
{
	struct stat state;
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(save, '/') - save + 1), save);
	if (stat(folder, &state) != 0)
		config_fault(reader, SL_ERR_NOT_FOUND, "flows/save", "\"%.200s\": %s", folder,
			strerror(errno));
	else if (!S_ISDIR(state.st_mode))
		config_fault(reader, SL_ERR_INVALID_PARAMETER, "flows/save",
			"\"%.200s\" is not a folder", folder);
	else if (stat(save, &state) == 0 && !S_ISREG(state.st_mode))
		config_fault(reader, SL_ERR_INVALID_PARAMETER, "flows/save",
			"\"%.200s\" is there, and is no plain file", save);
}

/* Absent members keep the values of sl_flow_config_init. */
static void
read_flows(const struct config_reader *reader, struct sluiced_config *config)
{
	int rc = sl_flow_config_init(&config->datapath.flows);

	if (rc != 0)
		config_fault(reader, SL_ERR_IO, "flows", "no random numbers for the hash key: %s",
			strerror(-rc));
	if (app_flows_config_read(json_object_get(reader->json, "flows"), "/flows",
		    &config->datapath.flows, &config->flows_save, reader->problems) != 0)
		config->flows_save = NULL;
	if (config->flows_save != NULL)
		check_save(reader, config->flows_save);
}

static void
read_all(const struct config_reader *reader, struct sluiced_config *config)
{
	static const char *const levels[] = {[SL_LOG_ERROR] = "error",
		[SL_LOG_WARNING] = "warning",
		[SL_LOG_NOTICE] = "notice",
		[SL_LOG_INFO] = "info",
		[SL_LOG_DEBUG] = "debug"};

	config_check_members(reader,
		"links workers poll burst descriptors memory api policy plugins events flows eal "
		"log_level store");
	read_links(reader, config);
	read_datapath(reader, config);
	read_flows(reader, config);
	read_api(reader, &config->api);
	read_files(reader, config);
	config->log_level = (enum sl_log_level)config_name(
		reader, "log_level", levels, SL_ARRAY_LEN(levels), SL_LOG_NOTICE);
}

int
sluiced_config_load(struct sluiced_config *config, const char *path, struct sl_problems *problems)
{
	struct config_reader reader = {.problems = problems};
	struct sl_error err;
	int rc;

	*config = (struct sluiced_config){.log_level = SL_LOG_NOTICE};
	rc = sl_json_load_file(path, FILE_MEMORY_MAX, &config->json, &err);
	if (rc != 0) {
		sl_problems_add(problems, err.code, "", "%s: %s", err.where, err.text);
		return rc;
	}
	reader.json = config->json;
	if (json_is_object(config->json))
		read_all(&reader, config);
	else
		config_fault(&reader, SL_ERR_TYPE_MISMATCH, "", "%s: is %s; expected an object",
			path, config_type_name(config->json));
	return problems->n_total == 0 ? 0 : -EINVAL;
}

void
sluiced_config_fini(struct sluiced_config *config)
{
	free(config->policy_files);
	free(config->plugin_folders);
	free(config->eal);
	json_decref(config->json);
	*config = (struct sluiced_config){0};
}
