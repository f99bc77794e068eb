/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * sluiced: the daemon, the one place that introduces the rooms to each other.
 *
 * Start.  Configuration; ports opened; plugins loaded; policy files compiled and published; flows taken that
 *         an earlier life left; only then do ports and workers run, and last the REST interface.  Nothing is forwarded before.
 * Run.    The main thread waits for signals and looks after ports and events ten times a second.
 * Stop.   The reverse: REST, workers (what was received is judged and sent), ports, flows, policy.
 * Exit.   0 stopped cleanly, 1 failed at run time, 2 wrong usage, configuration or policy.
 */

#include "sluiced_config.h"
#include "sluiced_flows.h"
#include "sluiced_notify.h"

#include "callout/sl_callout.h"
#include "control/sl_control.h"
#include "document/sl_document.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONFIG_DEFAULT "/etc/sluice/sluice.json"
#define TICK_NS        100000000
#define TICKS_PER_BEAT 10

enum {
	EXIT_STOPPED = 0,
	EXIT_FAILED = 1,
	EXIT_REFUSED = 2
};

struct daemon {
	struct sluiced_config config;
	struct sl_callout_registry *registry;
	struct sl_datapath *datapath;
	struct sl_control *control;
	struct sl_api *api;
	bool has_run; /* workers have run, and what they know is worth keeping */
};

/* --- Saying what is wrong. --- */

/* Faults of the whole name their file themselves. */
static void
log_problems(const char *what, const struct sl_problems *problems)
{
	for (size_t i = 0; i < problems->n; i++) {
		if (problems->list[i].pointer[0] == '\0')
			sl_log_error("%s", problems->list[i].detail);
		else
			sl_log_error("%s %s: %s", what, problems->list[i].pointer,
				problems->list[i].detail);
	}
	if (problems->n_total > problems->n)
		sl_log_error("... and %zu more", problems->n_total - problems->n);
}

/* Mistakes of the operator are told apart from failures of the machine. */
static int
exit_of(enum sl_err code)
{
	return code == SL_ERR_CONFIGURATION || code == SL_ERR_PORT_NOT_FOUND ? EXIT_REFUSED
									     : EXIT_FAILED;
}

static int
log_failure(const char *what, const struct sl_error *err)
{
	sl_log_error("%s%s%s: %s", what, err->where[0] == '\0' ? "" : " ", err->where, err->text);
	return exit_of(err->code);
}

/* --- Starting. --- */

static void
log_plugin_fault(void *ctx, const struct sl_error *err)
{
	(void)ctx;
	sl_log_error(
		"plugin refused: %s%s%s", err->where, err->where[0] == '\0' ? "" : ": ", err->text);
}

/* Before the ports: workers take the answers of callouts from it. */
static int
make_registry(struct daemon *daemon)
{
	if (sl_callout_registry_new(SL_CALLOUT_WORKERS_MAX, &daemon->registry) != 0) {
		sl_log_error("no memory for plugins");
		return EXIT_FAILED;
	}
	daemon->config.datapath.registry = daemon->registry;
	return 0;
}

/*
 * A plugin that is refused does not stop the daemon: filters that name it behave as with a callout that
 * is not registered, which is to block.
 */
static int
load_plugins(struct daemon *daemon)
{
	struct sl_error err = {0};

	for (uint32_t i = 0; i < daemon->config.n_plugin_folders; i++) {
		if (sl_callout_load_dir(daemon->registry, daemon->config.plugin_folders[i],
			    log_plugin_fault, NULL, &err) != 0)
			return log_failure("plugins", &err);
	}
	return 0;
}

static int
start_control(struct daemon *daemon)
{
	struct sl_control_config config = {
		.plane = daemon->datapath != NULL ? sl_datapath_plane(daemon->datapath) : NULL,
		.registry = daemon->registry,
		.policy_files = daemon->config.policy_files,
		.n_policy_files = daemon->config.n_policy_files,
		.event_log_max = daemon->config.event_log,
		.flow_events = daemon->config.datapath.flows.events,
		.compile_memory_max = daemon->config.compile_memory_max,
	};
	struct sl_problems problems = {0};
	struct sl_error err = {0};
	int status = 0;

	if (sl_control_new(&config, &daemon->control, &err) != 0)
		return log_failure("policy", &err);
	if (sl_control_boot(daemon->control, &problems) != 0) {
		log_problems("policy", &problems);
		status = EXIT_REFUSED;
	}
	sl_problems_fini(&problems);
	return status;
}

static int
start_datapath(struct daemon *daemon)
{
	struct sl_error err = {0};

	sluiced_flows_load(
		daemon->control, daemon->config.flows_save, &daemon->config.datapath.flows);
	if (sl_datapath_start(daemon->datapath, &err) != 0)
		return log_failure("ports", &err);
	daemon->has_run = true;
	return 0;
}

static int
start_api(struct daemon *daemon)
{
	struct sl_error err = {0};

	if (sl_api_start(&daemon->config.api, daemon->control, &daemon->api, &err) != 0)
		return log_failure("api", &err);
	return 0;
}

static int
open_ports(struct daemon *daemon)
{
	struct sl_error err = {0};

	if (sl_datapath_new(&daemon->config.datapath, &daemon->datapath, &err) != 0)
		return log_failure("ports", &err);
	return 0;
}

static void
log_start(const struct daemon *daemon)
{
	const struct sl_plane *plane = sl_datapath_plane(daemon->datapath);
	struct sl_view view;

	sl_control_view_get(daemon->control, &view);
	sl_log_notice("version %s, links: %u, workers: %u, policy revision %" PRIu64
		      " with %u filters, API at %s",
		SLUICE_VERSION, plane->ops->n_links(plane->ctx), plane->ops->n_workers(plane->ctx),
		view.revision, view.snapshot != NULL ? view.snapshot->n_filters : 0,
		daemon->config.api.socket);
	sl_control_view_put(daemon->control, &view);
	if (daemon->config.store != NULL)
		sl_log_notice(
			"store %s: objects made through the API are not kept across a restart",
			daemon->config.store);
}

/* --- Running. --- */

static void
reload(struct daemon *daemon)
{
	struct sl_problems problems = {0};

	sluiced_notify("RELOADING=1");
	if (sl_control_reload(daemon->control, &problems) == 0) {
		sl_log_notice("policy files read again, revision %" PRIu64 " is in force",
			sl_control_revision(daemon->control));
	} else {
		log_problems("policy", &problems);
		sl_log_error("policy files refused, revision %" PRIu64 " stays in force",
			sl_control_revision(daemon->control));
	}
	sl_problems_fini(&problems);
	sluiced_notify("READY=1");
}

/* Until SIGTERM or SIGINT. */
static void
wait_for_signals(struct daemon *daemon, const sigset_t *signals)
{
	const struct timespec tick = {.tv_nsec = TICK_NS};

	for (unsigned int n_ticks = 0;;) {
		int signal = sigtimedwait(signals, NULL, &tick);

		if (signal == SIGTERM || signal == SIGINT) {
			sl_log_notice("stopping on signal %s", signal == SIGTERM ? "TERM" : "INT");
			return;
		}
		if (signal == SIGHUP)
			reload(daemon);
		sl_datapath_tick(daemon->datapath);
		sl_control_tick(daemon->control);
		if (++n_ticks % TICKS_PER_BEAT == 0)
			sluiced_notify("WATCHDOG=1");
	}
}

static void
stop(struct daemon *daemon)
{
	sl_api_stop(daemon->api);
	if (daemon->datapath != NULL)
		sl_datapath_stop(daemon->datapath);
	if (daemon->has_run)
		sluiced_flows_save(daemon->control, daemon->config.flows_save);
	sl_control_free(daemon->control);
	sl_datapath_free(daemon->datapath);
	sl_callout_registry_free(daemon->registry);
}

static int
run(struct daemon *daemon)
{
	static const struct {
		int (*start)(struct daemon *daemon);
	} steps[] = {{make_registry}, {open_ports}, {load_plugins}, {start_control},
		{start_datapath}, {start_api}};
	sigset_t signals;
	int status = 0;

	/* Blocked before there are threads, so that all of them leave signals to this one. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < SL_ARRAY_LEN(steps) && status == 0; i++)
		status = steps[i].start(daemon);
	if (status == 0) {
		log_start(daemon);
		sluiced_notify("READY=1");
		wait_for_signals(daemon, &signals);
		sluiced_notify("STOPPING=1");
	}
	stop(daemon);
	return status;
}

/* Validates policy files as a start would, without ports. */
static int
check(struct daemon *daemon)
{
	int status = make_registry(daemon);

	if (status == 0)
		status = load_plugins(daemon);
	if (status == 0)
		status = start_control(daemon);
	if (status == 0)
		printf("configuration and policy are valid\n");
	sl_control_free(daemon->control);
	sl_callout_registry_free(daemon->registry);
	return status;
}

/* --- The command line. --- */

static void
print_usage(FILE *to)
{
	fputs("Usage: sluiced [--config FILE] [--check]\n"
	      "The Sluice daemon: filters what crosses the links of its configuration.\n\n"
	      "  -c, --config FILE  configuration (default " CONFIG_DEFAULT ")\n"
	      "      --check        validate configuration and policy files, open nothing, and "
	      "exit\n"
	      "  -h, --help         this text\n"
	      "  -V, --version      version\n\n"
	      "Signals: TERM and INT stop cleanly, HUP reads the policy files again.\n"
	      "Exit status: 0 stopped cleanly or valid, 1 failure at run time,\n"
	      "2 wrong usage, configuration or policy.\n",
		to);
}

struct command {
	const char *config;
	bool check;
};

/* -1 to go on, else the exit status. */
static int
parse_command(int argc, char **argv, struct command *command)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			command->config = optarg;
			break;
		case 'k':
			command->check = true;
			break;
		case 'h':
			print_usage(stdout);
			return EXIT_STOPPED;
		case 'V':
			printf("sluiced %s\n", SLUICE_VERSION);
			return EXIT_STOPPED;
		default:
			print_usage(stderr);
			return EXIT_REFUSED;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sluiced: unexpected argument \"%s\"\n", argv[optind]);
		print_usage(stderr);
		return EXIT_REFUSED;
	}
	return -1;
}

int
main(int argc, char **argv)
{
	static struct daemon daemon;
	struct command command = {.config = CONFIG_DEFAULT};
	struct sl_problems problems = {0};
	int status = parse_command(argc, argv, &command);

	if (status >= 0)
		return status;
	/*
	 * Small pieces are joined when they are freed.  Otherwise those of a large document are joined all
	 * at once later, by whatever small change comes along, which takes half a second then.
	 */
	mallopt(M_MXFAST, 0);
	sl_log_setup("sluiced", SL_LOG_NOTICE);
	sl_document_setup();
	if (sluiced_config_load(&daemon.config, command.config, &problems) != 0) {
		log_problems(command.config, &problems);
		status = EXIT_REFUSED;
	} else {
		sl_log_setup("sluiced", daemon.config.log_level);
		daemon.config.datapath.program = argv[0];
		status = command.check ? check(&daemon) : run(&daemon);
	}
	sl_problems_fini(&problems);
	sluiced_config_fini(&daemon.config);
	return status;
}
