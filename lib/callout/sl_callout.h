/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CALLOUT_CALLOUT_H
#define SL_CALLOUT_CALLOUT_H

/*
 * Callouts: the registry of loaded plugins, their loader and the way they are called.
 *
 * Life.    Filters are bound to a `struct sl_plugin`, which lives as long as the registry, whether the
 *          plugin is loaded or not.  It stands for one incarnation of the plugin: what the plugin stored
 *          for a filter is worth nothing to a later load of the same name.  So a load takes a fresh
 *          record when filters are bound to the present one, and those filters behave as with an
 *          unregistered callout (WFP section 4.4) until they are bound again, to what
 *          sl_callout_plugin then returns.
 * Binding. When a policy is compiled, each callout filter is bound: sl_callout_plugin by the name in its
 *          callout object, then sl_callout_notify_add.  A binding of the previous snapshot may be carried
 *          over instead while the filter object, its provider context object and the plugin record are
 *          all the same as there.  Every notify_add that returned 0 is undone by one notify_delete: after
 *          a grace period when the filter was in force, at once when the compilation failed.  After
 *          loading a plugin the owner compiles and publishes anew, so that filters that were waiting for
 *          it are announced; a refusal of one of them is a reason to unload it again.
 * Flows.   A callout may associate contexts with flows (WFP section 6.4).  They are in the tables of workers, and
 *          each worker counts those of each plugin.  A plugin is unloaded only when it has none: first bind
 *          no filter to it, so that no more can come, then let every worker forget its contexts
 *          (sl_callout_flows_forget) until sl_callout_contexts says 0.
 * Threads. Control functions under the owner's lock.  sl_callout_invoke: packet time, any worker.
 */

#include "base/sl_error.h"
#include "classifier/sl_arbitrate.h"
#include "flow/sl_flow.h"
#include "packet/sl_packet.h"
#include "sdk/sluice_callout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_CALLOUT_WORKERS_MAX  64u
#define SL_CALLOUT_PLUGINS_MAX  256u
#define SL_CALLOUT_COUNTERS_MAX 16u
#define SL_CALLOUT_REPLIES_MAX  64u   /* frames one worker may queue in one burst */
#define SL_CALLOUT_REPLY_SIZE   1514u /* bytes */
#define SL_CALLOUT_BURST_MAX    64u   /* packets of a burst */
#define SL_CALLOUT_ABORTS_MAX   64u   /* flows that callouts may end in one burst of one worker */

struct sl_callout_registry; /* opaque */
struct sl_plugin;           /* opaque */

enum sl_plugin_state {
	SL_PLUGIN_ABSENT, /* a policy names it, no file has been loaded */
	SL_PLUGIN_LOADED,
	SL_PLUGIN_REFUSED, /* the last attempt to load it, at start or by its own load function, failed */
	SL_PLUGIN_UNLOADED
};

/* What an operator sees of a plugin. Strings are borrowed until the next registry change. */
struct sl_plugin_info {
	const char *name;
	const char *path;    /* "" when never loaded from a file */
	const char *version; /* of the plugin */
	const char *description;
	const char *fault; /* why it was refused; "" */
	enum sl_plugin_state state;
	uint32_t abi_version;
	uint32_t flags; /* SLUICE_CALLOUT_FLAG_* */
	uint64_t calls; /* classify calls, all workers */
	uint64_t permits;
	uint64_t blocks;
	uint64_t continues;
	uint64_t contexts;    /* that flows hold now, all workers */
	uint64_t pends;       /* decisions it put off */
	uint64_t completions; /* answers it gave to them */
	uint32_t n_counters;
	const char *counter_names[SL_CALLOUT_COUNTERS_MAX];
	uint64_t counters[SL_CALLOUT_COUNTERS_MAX];
};

/* --- Control. --- */

/* `n_workers_max` is told to plugins (1..SL_CALLOUT_WORKERS_MAX). 0 or -ENOMEM. */
int sl_callout_registry_new(uint32_t n_workers_max, struct sl_callout_registry **out) SL_MUST_CHECK;
/* Unloads everything. No worker may be running. NULL is allowed. */
void sl_callout_registry_free(struct sl_callout_registry *registry);

/*
 * Loads one file.  It must be a regular file, opened without following a link, owned by root or the
 * effective user and writable by nobody else; a whole ELF object that exports `sluice_callout` with our
 * ABI version and sizes, and a name that is not loaded already.  The object's own constructors run
 * before it can be asked for its version.  `where` of errors is the path.  Errors: PLUGIN_REFUSED (what
 * was found and what is expected, both ABI versions when they differ, the plugin's own words when its
 * load function refused), ALREADY_EXISTS, BUSY (its unloading has not finished), NO_MEMORY.  Nothing has
 * changed then.  `out` may be NULL.
 */
int sl_callout_load(struct sl_callout_registry *registry, const char *path, struct sl_plugin **out,
	struct sl_error *err) SL_MUST_CHECK;
/*
 * Loads every *.so of a directory, in name order.  Every refusal is reported to `fault` (may be NULL)
 * and remembered as a plugin in state REFUSED.  0, or IO when the directory cannot be read.
 */
typedef void sl_callout_fault_fn(void *ctx, const struct sl_error *err);
int sl_callout_load_dir(struct sl_callout_registry *registry, const char *dir,
	sl_callout_fault_fn *fault, void *ctx, struct sl_error *err) SL_MUST_CHECK;
/* A plugin linked into the program (tests). Same checks. The descriptor must outlive the registry. */
int sl_callout_register(struct sl_callout_registry *registry, const struct sluice_callout *callout,
	struct sl_error *err) SL_MUST_CHECK;

/*
 * Unloading in two steps: unpublish makes it unregistered for every later call; after a grace period of
 * all workers, finish calls notify(DELETE) for what is still bound, unload, and closes the file.  The
 * bindings stay until notify_delete undoes them, which then no longer reaches the plugin.
 * PLUGIN_NOT_FOUND when it is not loaded, BUSY while flows have contexts of it, with their number.
 */
int sl_callout_unpublish(struct sl_callout_registry *registry, const char *name,
	struct sl_plugin **out, struct sl_error *err) SL_MUST_CHECK;
void sl_callout_unload_finish(struct sl_callout_registry *registry, struct sl_plugin *plugin);

/* An answer to an operation that was pended. */
struct sl_completion {
	uint64_t token; /* the flow's id */
	uint64_t answer;
	const struct sl_plugin *plugin; /* who gave it */
};
/* Where answers for a worker's flows come in, of struct sl_completion; the registry's. NULL: no such worker. */
struct sl_mpsc *sl_callout_completions(const struct sl_callout_registry *registry, uint32_t worker);

/*
 * Contexts of the plugin that flows hold, and decisions it put off, all workers; 0 is final once no filter is bound
 * to it.
 */
uint64_t sl_callout_contexts(const struct sl_plugin *plugin);

/*
 * The present incarnation of that name, made ABSENT when unknown; NULL: no memory, too many, or a name
 * of more than 64 bytes.  A later load may make another one the present: ask again for each compilation.
 */
struct sl_plugin *sl_callout_plugin(struct sl_callout_registry *registry, const char *name);
/* Plugins in the order they became known: i-th info; false past the last. */
bool sl_callout_info(struct sl_callout_registry *registry, uint32_t i, struct sl_plugin_info *info);
bool sl_callout_is_loaded(const struct sl_plugin *plugin);

/*
 * Binds a filter, which must stay valid until notify_delete, and tells the plugin; `*context` receives
 * what it stored.  A refusal is CALLOUT_NOTIFICATION_FAILED with the plugin's words.  When the plugin is
 * not loaded nobody is told and the context is 0: then the filter is unregistered until it is bound again.
 */
int sl_callout_notify_add(struct sl_plugin *plugin, const struct sl_filter *filter,
	const struct sl_provider_context *provider_context, uint64_t *context,
	struct sl_error *err) SL_MUST_CHECK;
/* Undoes one notify_add that returned 0 and stored `context`. No worker may use the filter any more. */
void sl_callout_notify_delete(
	struct sl_plugin *plugin, const struct sl_filter *filter, uint64_t context);

/* --- Packet time. --- */

#define SL_REPLY_NO_PACKET UINT32_MAX

/* A frame that the appliance sends by itself: a callout's answer, a reset. */
struct sl_reply {
	uint32_t packet; /* index in the burst of the packet it answers; SL_REPLY_NO_PACKET: none */
	uint32_t path;   /* index of the path that packet came by; it names the ports */
	uint32_t length;
	bool is_onward; /* leaves by the port the packet would have left by, not the one it came by */
	uint8_t bytes[SL_CALLOUT_REPLY_SIZE];
};

/* One worker's side of calling; set the members before each packet or burst as noted. */
struct sl_callout_env {
	const struct sl_frame *frame; /* per packet */
	uint32_t packet;              /* per packet: its index in the burst */
	uint32_t path;                /* per burst: the pipeline's index of its path */
	uint32_t worker;              /* once */
	uint64_t now_ns;              /* per burst */
	uint64_t revision;            /* per burst */
	const char *discard_reason;   /* at discard twins, else NULL */
	uint64_t discard_filter_id;
	struct sl_reply *replies; /* room for SL_CALLOUT_REPLIES_MAX */
	uint32_t n_replies;
	uint32_t n_replies_refused;
	bool is_discard; /* at discard twins: replies are refused there */
	/*
	 * Nobody is called: who would have been notes here that the verdict is his to make, and is passed over.  For
	 * judgements without a packet that can be left to the next one.
	 */
	bool is_deferring; /* per visit */
	bool has_deferred;
	/* Once; NULL: no flows are kept. Contexts are of flows in it: meta->flow.entry. */
	struct sl_flow_table *flows;
	uint32_t n_contexts_refused; /* for want of room; who runs the burst counts them */
	/* Ids of flows that callouts want ended. Who runs the burst ends them behind it and clears the count. */
	uint32_t n_aborts;
	uint64_t aborts[SL_CALLOUT_ABORTS_MAX];
	/*
	 * Pending (WFP section 6.6).  Per visit of a layer: how many operations callouts may begin, 0 where none may.
	 * They set the bits of the packets whose flows they pended, and themselves at the packet's place; who visits takes
	 * what stands - the packet was absorbed - and clears the set.
	 */
	uint32_t n_pends_max;
	uint32_t n_pends_refused; /* for want of room; as n_contexts_refused */
	uint64_t pended;
	const struct sl_plugin *pended_by[SL_CALLOUT_BURST_MAX];
	/* Per visit: the answer that is being judged, for the callout that gave it; NULL: none is. */
	const struct sl_plugin *completed_by;
	uint64_t completion;
	/* Per visit: a callout that did not answer in time is as if it were not registered; NULL: none. */
	const struct sl_plugin *overdue;
};

/*
 * An sl_invoke_fn; `ctx` is a struct sl_callout_env, and the filter's binding holds the struct sl_plugin.
 * Counts the answer as arbitration will take it: permits, blocks, and everything else as continues.
 * UNREGISTERED also when the worker is beyond what the registry was made for.
 */
sl_invoke_fn sl_callout_invoke;

/*
 * A flow is about to end: takes its contexts and tells each one's callout.  The worker of the flow, with its `env`.
 */
void sl_callout_flow_end(struct sl_callout_env *env, struct sl_flow *flow);
/*
 * What a plugin pended has ended, or did not stand: it counts no more as one of its contexts.  Packet time, the worker
 * of the flow.
 */
void sl_callout_pend_ended(struct sl_callout_env *env, const struct sl_plugin *plugin);
/*
 * Takes a plugin's contexts (NULL: everybody's) out of all flows and tells the callout of each, looking at no more
 * than `work` places from `*at` on, which is 0 at first and SL_FLOW_LIST_END when it is done.  The worker of the
 * table; or, when no worker runs any more, before the table goes, any thread.
 */
void sl_callout_flows_forget(
	struct sl_callout_env *env, const struct sl_plugin *plugin, uint32_t *at, uint32_t work);

#endif
