/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CALLOUT_REGISTRY_H
#define CALLOUT_REGISTRY_H

/*
 * Private to the callout room: the registry's records.
 *
 * Incarnations.  A name keeps one `struct sl_plugin` per incarnation that filters are still bound to.
 *          A filter carries what the callout stored for it, which is worth nothing to the next load of
 *          the same name; so a load never revives a record that has bindings, it takes another one, and
 *          the filters of the old one count as unregistered until they are bound again.
 * Publication.  `callout` is the one word that workers read: stored with release order when everything
 *          else is in place, cleared to unregister.  What it guards changes only after a grace period.
 */

#include "callout/bindings.h"
#include "callout/sl_callout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_MAX_LEN        64
#define VERSION_MAX_LEN     63
#define DESCRIPTION_MAX_LEN 255
#define WORDS_MAX           256

/* Where one value of a layer's vector comes from. */
struct value_source {
	uint64_t mask;   /* NUMBER: of the 8 bytes at `offset`, those that are the number */
	uint16_t offset; /* in struct sl_meta */
	uint8_t index;   /* in the vector */
	uint8_t type;    /* enum sluice_data_type */
	uint8_t slot;    /* enum sl_slot */
	uint8_t size;    /* BYTES: how many; BLOB: 0 */
};

/*
 * The vector of one layer: numbers first, then what is pointed to.  Fields without a slot are in neither
 * part and stay EMPTY.
 */
struct value_layout {
	uint32_t n_values;
	uint32_t n_numbers;
	uint32_t n_sources;
	struct value_source sources[SLUICE_FIELDS_MAX];
};

/* What one worker counts for one plugin. Written by that worker alone. */
struct worker_counters {
	uint64_t calls;
	uint64_t permits;
	uint64_t blocks;
	uint64_t continues;
	uint64_t contexts; /* that flows hold */
	uint64_t pends;
	uint64_t pends_ended;
	uint64_t own[SL_CALLOUT_COUNTERS_MAX];
} SL_CACHE_ALIGNED;

/* One incarnation of a plugin. */
struct sl_plugin {
	/* Packet time. */
	const struct sluice_callout *callout; /* atomic; NULL: not registered */
	void *instance;                       /* what load stored */
	const struct value_layout *layouts;   /* [SLUICE_LAYER_COUNT], of the registry */
	struct worker_counters *workers;      /* [n_workers] or NULL */
	uint32_t n_workers;
	struct sl_mpsc *const *completions; /* [n_workers], of the registry */
	uint64_t n_completions;             /* atomic; written by any thread */

	/* Control. */
	enum sl_plugin_state state;
	bool is_closing; /* unpublished, not finished */
	uint32_t flags;
	uint32_t abi_version;
	const struct sluice_callout *descriptor; /* as `callout`, until unload has finished */
	void *handle;                            /* of dlopen; NULL: linked in */
	struct sluice_host host;                 /* lent to the plugin; finds the way back here */
	char words[WORDS_MAX];                   /* its last refusal */
	struct bindings bindings;
	struct sl_plugin *older; /* incarnation before this one */
	uint32_t n_counters;
	char counter_names[SL_CALLOUT_COUNTERS_MAX][32];
	char name[NAME_MAX_LEN + 1];
	char version[VERSION_MAX_LEN + 1];
	char description[DESCRIPTION_MAX_LEN + 1];
	char *path; /* or NULL */
	char fault[400];
};

struct sl_callout_registry {
	uint32_t n_workers;
	uint32_t n_plugins;
	struct sl_plugin *plugins[SL_CALLOUT_PLUGINS_MAX]; /* newest incarnation of each name */
	struct value_layout layouts[SLUICE_LAYER_COUNT];
	struct sl_mpsc *completions[SL_CALLOUT_WORKERS_MAX]; /* [n_workers] */
};

/* A descriptor that passed the check, and where it came from. */
struct plugin_source {
	const struct sluice_callout *callout;
	const char *path; /* NULL: linked in */
	void *handle;     /* of dlopen, or NULL */
};

/* Loads a checked descriptor. The source's handle belongs to the plugin when it returns 0. */
int sl_callout_attach(struct sl_callout_registry *registry, const struct plugin_source *source,
	struct sl_plugin **out, struct sl_error *err) SL_MUST_CHECK;
/* The newest incarnation of that name; NULL: unknown. */
struct sl_plugin *sl_callout_find(const struct sl_callout_registry *registry, const char *name);
/*
 * A record of that name to which nothing is bound, now the newest incarnation; made when there is none.
 * NULL: no memory or too many names.
 */
struct sl_plugin *sl_callout_renew(struct sl_callout_registry *registry, const char *name);
/* Remembers why a file was refused, under `name` when it is one and is not loaded. */
void sl_callout_note_refusal(struct sl_callout_registry *registry, const char *name,
	const char *path, const struct sl_error *err);

/*
 * Checks a descriptor: version, sizes, name, functions. `known` is how many of its bytes exist; `path`
 * is for the error. 0 or a negative errno.
 */
int sl_callout_abi_check(const struct sluice_callout *callout, size_t known, const char *path,
	struct sl_error *err) SL_MUST_CHECK;
/* [a-z0-9][a-z0-9._-]{0,63} */
bool sl_callout_is_name(const char *text);

/* The host services of a plugin. */
void sl_callout_host_init(struct sluice_host *host, uint32_t n_workers_max);

/* What struct sluice_packet is on this side; lives during one call. */
struct sluice_packet {
	struct sl_callout_env *env;
	struct worker_counters *counters;
	const struct sl_plugin *plugin;
	const struct sl_meta *meta;
	bool may_pend;
};

/* The services for flows of struct sluice_host, see there. Packet time. */
int sl_callout_host_flow_associate(struct sluice_packet *packet, uint32_t layer, uint64_t context);
int sl_callout_host_flow_remove(struct sluice_packet *packet, uint32_t layer);
int sl_callout_host_flow_abort(struct sluice_packet *packet);
/* Putting off decisions, see struct sluice_host. complete: any thread. */
int sl_callout_host_pend(struct sluice_packet *packet, uint64_t *token);
int sl_callout_host_complete(const struct sluice_host *host, uint64_t token, uint64_t answer);
/* True when the packet that is being judged is one whose decision may be put off. Packet time. */
bool sl_callout_may_pend(const struct sl_callout_env *env, const struct sl_meta *meta);
/* The plugin has not absorbed the packet that is being judged: what it pended does not stand. Packet time. */
void sl_callout_void_pend(struct sl_callout_env *env, const struct sl_plugin *plugin);
/* The plugin's context for the flow that a packet belongs to; 0: none. Packet time. */
uint64_t sl_callout_flow_context(const struct sl_plugin *plugin, const struct sl_callout_env *env,
	const struct sl_meta *meta, enum sluice_layer layer);

/* What a plugin is told of a filter. */
void sl_callout_filter_init(struct sluice_filter *out, const struct sl_filter *filter,
	const struct sl_provider_context *provider_context);

#endif
