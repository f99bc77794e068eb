/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

#include "base/sl_compiler.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char usage[] =
	"usage: sluice-bench COMMAND [OPTIONS]\n"
	"\n"
	"  classify --rules RULES [--trace TRACE] [--engines sluice,rte_acl,linear] [--burst "
	"32,256]\n"
	"           [--repeat 5] [--simd portable|avx2|avx512] [--sublayers N] [--misses PERCENT]\n"
	"           [--verify] [--json FILE]\n"
	"      Lookups a second of classifiers side by side on a ClassBench filter set and header "
	"trace\n"
	"      (plain or gzip, IPv4 or IPv6); without a trace, one is made from the rules.  "
	"rte_acl "
	"gets\n"
	"      the best of its methods and sizes; rte_acl:avx2 and the like force a method.  "
	"--simd "
	"holds\n"
	"      both to an instruction set.  --sublayers deals the rules over N sublayers "
	"(categories).\n"
	"      --misses replaces that share of the headers by ones that match nothing.  --verify "
	"compares\n"
	"      every answer with the plain scan.\n"
	"\n"
	"  update --rules RULES [--trace TRACE] [--rate 1000] [--updates 3000] [--burst 32] "
	"[--repeat 7]\n"
	"         [--json FILE]\n"
	"      How long until a filter out of or into the full set is in force, and lookups a "
	"second "
	"of a\n"
	"      worker while --rate such changes a second go through, beside those of a quiet one.\n"
	"\n"
	"  generate --kind acl|fw|ipc --rules N [--v6] [--seed S] [--headers M]\n"
	"           [--traffic uniform|zipf|corner] [--misses PERCENT] [--pcap] --out PREFIX\n"
	"      A filter set and a header trace in ClassBench's format, the same for the same "
	"arguments, as\n"
	"      PREFIX.rules and PREFIX.trace (into a folder: KIND_N.rules); --pcap adds the "
	"headers as\n"
	"      64-byte frames.\n"
	"\n"
	"  datapath --pcap FILE|--trace TRACE [--frames 4096] [--filters RULES]... [--seconds 3]\n"
	"           [--repeat 3] [--json FILE]\n"
	"      Packets a second of one worker, reading FILE, or the first headers of TRACE as "
	"64-byte\n"
	"      frames, over and over, without filters and with each set in turn, beside testpmd in "
	"the\n"
	"      same run.\n"
	"\n"
	"  flows [--only table,new,stall,storm,storm-wire,wire,filters] [--flows N,...] [--seconds "
	"3] "
	"[--repeat "
	"3]\n"
	"        [--json FILE]\n"
	"      What flows cost: their table beside rte_hash, new ones a second, the longest tick, "
	"commits\n"
	"      while they are live, one worker beside testpmd, few filters beside many.\n"
	"\n"
	"Exit status: 0 done, 1 failed or answers differ, 2 usage or bad input.\n";

void
bench_progress(const char *what, size_t done, size_t total)
{
	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r%s %zu %%%s", what, total > 0 ? done * 100 / total : 100,
		done == total ? "\n" : "");
}

bool
bench_number(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *out >= min &&
		*out <= max)
		return true;
	fprintf(stderr, "sluice-bench: %s: \"%s\"; allowed: an integer from %llu to %llu\n", option,
		text, (unsigned long long)min, (unsigned long long)max);
	return false;
}

bool
bench_number32(const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
	uint64_t number;

	if (!bench_number(option, text, min, max, &number))
		return false;
	*out = (uint32_t)number;
	return true;
}

int
bench_write_json(const char *path, const json_t *json)
{
	if (path == NULL)
		return 0;
	if (json_dump_file(json, path, JSON_INDENT(2)) == 0)
		return 0;
	fprintf(stderr, "sluice-bench: cannot write %s: %s\n", path, strerror(errno));
	return 1;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Hands signals that end a program on to the child, and returns its exit status. */
static int
stay_until_end(pid_t child, const sigset_t *signals)
{
	int status;

	for (;;) {
		int signal = sigwaitinfo(signals, NULL);

		if (signal == SIGINT || signal == SIGTERM)
			kill(child, signal);
		if (waitpid(child, &status, WNOHANG) == child)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}

/*
 * EAL, here and in testpmd, leaves files in a folder; it gets one that goes away with the run.  The command
 * runs in a child, so that this happens however it ends.
 */
static int
run_in_folder(int (*run)(int argc, char **argv), int argc, char **argv)
{
	const char *place = getenv("TMPDIR");
	char folder[200];
	sigset_t signals;
	sigset_t before;
	pid_t child;
	int rc = 1;

	snprintf(folder, sizeof(folder), "%s/sluice-bench-XXXXXX", place != NULL ? place : "/tmp");
	if (mkdtemp(folder) == NULL || setenv("RUNTIME_DIRECTORY", folder, 1) != 0) {
		fprintf(stderr, "sluice-bench: cannot make the folder %s: %s\n", folder,
			strerror(errno));
		return 1;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, &before);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		exit(run(argc, argv));
	}
	if (child > 0)
		rc = stay_until_end(child, &signals);
	else
		fprintf(stderr, "sluice-bench: cannot fork: %s\n", strerror(errno));
	nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return rc;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
		bool uses_eal;
	} commands[] = {
		{"classify", bench_classify, true},
		{"datapath", bench_datapath, true},
		{"flows", bench_flows, true},
		{"generate", bench_generate, false},
		{"update", bench_update, false},
	};

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		puts("sluice-bench " SLUICE_VERSION);
		return 0;
	}
	for (size_t i = 0; argc > 1 && i < SL_ARRAY_LEN(commands); i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		return commands[i].uses_eal ? run_in_folder(commands[i].run, argc - 1, argv + 1)
					    : commands[i].run(argc - 1, argv + 1);
	}
	fputs(usage, stderr);
	return 2;
}
