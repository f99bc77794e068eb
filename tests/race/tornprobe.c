/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * tornprobe: the live side of the torn-policy test.
 *
 *   tornprobe send INTERFACE PPS SENT          sends numbered frames until SIGTERM, times into the file SENT
 *   tornprobe receive INTERFACE ARRIVED        receives until SIGTERM, times into the file ARRIVED
 *   tornprobe judge SENT ARRIVED COMMITS       prints findings as JSON
 *
 * Frame n is of class n % 6: UDP to 10.99.0.(1 + class).  Policies and classes are those of test_torn.c.  Files
 * hold one CLOCK_MONOTONIC nanosecond count a frame, 0 for none.  COMMITS has a line a commit: "0|1 BEFORE AFTER",
 * the policy's number and the time before and after the commit.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAMES_MAX  (1u << 23)
#define FRAME_SIZE  64
#define BURST       32
#define MAGIC       0x736c7565
#define COMMITS_MAX 65536u

enum class {
	ALWAYS,
	X,
	Y,
	TAG_A,
	TAG_B,
	NEVER,
	CLASS_COUNT
};

static volatile sig_atomic_t stopped;

static void
on_signal(int number)
{
	(void)number;
	stopped = 1;
}

static void
die(const char *what)
{
	fprintf(stderr, "tornprobe: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t
now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* The file's times, made when it is not there. */
static uint64_t *
map_times(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	void *times;

	if (fd < 0 || ftruncate(fd, FRAMES_MAX * sizeof(uint64_t)) != 0)
		die(path);
	times = mmap(
		NULL, FRAMES_MAX * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (times == MAP_FAILED)
		die(path);
	close(fd);
	return times;
}

static int
open_socket(const char *interface, uint16_t protocol)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), size = 64 << 20;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		die(interface);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return fd;
}

static void
make_frame(uint8_t *frame, uint32_t number)
{
	static const uint8_t start[] = {2, 0, 0, 0, 0, 0x99, 2, 0, 0, 0, 0, 0x98, 8, 0, 0x45, 0, 0,
		50, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 99, 0, 0, 0x15, 0xb3, 0x15, 0xb3, 0,
		30, 0, 0};
	uint32_t sum = 0, magic = MAGIC;

	memset(frame, 0, FRAME_SIZE);
	memcpy(frame, start, sizeof(start));
	frame[33] = (uint8_t)(1 + number % CLASS_COUNT);
	for (int i = 14; i < 34; i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	sum = ~((sum & 0xffff) + (sum >> 16));
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	memcpy(frame + 42, &magic, sizeof(magic));
	memcpy(frame + 46, &number, sizeof(number));
}

static int
send_frames(const char *interface, double rate, const char *path)
{
	static uint8_t frames[BURST][FRAME_SIZE];
	static struct mmsghdr messages[BURST];
	static struct iovec iovecs[BURST];
	uint64_t *times = map_times(path), start = now_ns();
	int fd = open_socket(interface, 0);
	uint32_t n = 0;

	for (int i = 0; i < BURST; i++) {
		iovecs[i] = (struct iovec){frames[i], FRAME_SIZE};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &iovecs[i], .msg_iovlen = 1};
	}
	while (!stopped && n + BURST <= FRAMES_MAX) {
		int n_sent = 0;

		while ((double)n / rate * 1e9 > (double)(now_ns() - start) && !stopped)
			usleep(100);
		for (uint32_t i = 0; i < BURST; i++) {
			make_frame(frames[i], n + i);
			times[n + i] = now_ns();
		}
		while (n_sent < BURST) {
			int rc = sendmmsg(fd, messages + n_sent, (unsigned int)(BURST - n_sent), 0);

			if (rc < 0 && errno != ENOBUFS && errno != EINTR)
				die("send");
			n_sent += rc > 0 ? rc : 0;
		}
		n += BURST;
	}
	printf("{\"sent\": %u, \"pps\": %.0f}\n", n, n / ((double)(now_ns() - start) / 1e9));
	return 0;
}

static void
take_frame(uint64_t *times, const uint8_t *frame, ssize_t len)
{
	uint32_t magic, number;

	if (len < 50)
		return;
	memcpy(&magic, frame + 42, sizeof(magic));
	memcpy(&number, frame + 46, sizeof(number));
	if (magic == MAGIC && number < FRAMES_MAX)
		times[number] = now_ns();
}

static int
receive_frames(const char *interface, const char *path)
{
	static uint8_t frames[BURST][2048];
	struct mmsghdr messages[BURST];
	struct iovec iovecs[BURST];
	uint64_t *times = map_times(path);
	int fd = open_socket(interface, ETH_P_IP);
	struct tpacket_stats stats = {0};
	socklen_t size = sizeof(stats);

	printf("ready\n");
	fflush(stdout);
	while (!stopped) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		int n;

		if (poll(&ready, 1, 100) <= 0)
			continue;
		memset(messages, 0, sizeof(messages));
		for (int i = 0; i < BURST; i++) {
			iovecs[i] = (struct iovec){frames[i], sizeof(frames[i])};
			messages[i].msg_hdr =
				(struct msghdr){.msg_iov = &iovecs[i], .msg_iovlen = 1};
		}
		n = recvmmsg(fd, messages, BURST, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			take_frame(times, frames[i], messages[i].msg_len);
	}
	getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size);
	printf("{\"receiver_drops\": %u}\n", stats.tp_drops);
	return 0;
}

/* --- Judging. --- */

struct commit {
	int policy; /* 0: A, 1: B */
	uint64_t before, after;
};

static size_t
read_commits(const char *path, struct commit commits[COMMITS_MAX])
{
	FILE *file = fopen(path, "r");
	size_t n = 0;

	if (file == NULL)
		die(path);
	while (n < COMMITS_MAX &&
		fscanf(file, "%d %" SCNu64 " %" SCNu64, &commits[n].policy, &commits[n].before,
			&commits[n].after) == 3)
		n++;
	fclose(file);
	return n;
}

/* Whether `policy` may have been in force at some moment of [from, to]. */
static bool
was_possible(const struct commit *commits, size_t n, int policy, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t end = i + 1 < n ? commits[i + 1].after : UINT64_MAX;

		if (commits[i].policy == policy && commits[i].before <= to && end >= from)
			return true;
	}
	return false;
}

/* The time by which frame n was surely judged: when a later frame that always passes arrived; 0: unknown. */
static uint64_t
judged_by(const uint64_t *arrived, const uint64_t *sent, uint32_t n)
{
	for (uint32_t i = n + 1; i < FRAMES_MAX && sent[i] != 0; i++) {
		if (i % CLASS_COUNT == ALWAYS && arrived[i] != 0)
			return arrived[i];
	}
	return 0;
}

struct findings {
	uint64_t sent, torn, open, lost, stale, late;
};

static void
judge_tag(struct findings *findings, const struct commit *commits, size_t n_commits, uint32_t n,
	int policy, const uint64_t *sent, const uint64_t *arrived)
{
	if (arrived[n] != 0) {
		/* Let through by its policy, which must have been in force at some moment of its way. */
		findings->stale += !was_possible(commits, n_commits, policy, sent[n], arrived[n]);
	} else {
		uint64_t by = judged_by(arrived, sent, n);

		/* Blocked by the other policy, likewise. */
		findings->late +=
			by != 0 && !was_possible(commits, n_commits, 1 - policy, sent[n], by);
	}
}

static int
judge(const char *sent_path, const char *arrived_path, const char *commits_path)
{
	static struct commit commits[COMMITS_MAX];
	const uint64_t *sent = map_times(sent_path), *arrived = map_times(arrived_path);
	size_t n_commits = read_commits(commits_path, commits);
	struct findings found = {0};

	if (n_commits < 2)
		die("too few commits");
	for (uint32_t n = 0; n < FRAMES_MAX && sent[n] != 0; n++) {
		/* Only what was on its way while commits were logged. */
		if (sent[n] < commits[0].after || sent[n] > commits[n_commits - 1].before)
			continue;
		found.sent++;
		switch ((enum class)(n % CLASS_COUNT)) {
		case ALWAYS:
			found.lost += arrived[n] == 0;
			break;
		case X:
		case Y:
			found.torn += arrived[n] != 0;
			break;
		case TAG_A:
			judge_tag(&found, commits, n_commits, n, 0, sent, arrived);
			break;
		case TAG_B:
			judge_tag(&found, commits, n_commits, n, 1, sent, arrived);
			break;
		default:
			found.open += arrived[n] != 0;
		}
	}
	printf("{\"commits\": %zu, \"frames\": %" PRIu64 ", \"torn\": %" PRIu64
	       ", \"open\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"stale\": %" PRIu64
	       ", \"late\": %" PRIu64 "}\n",
		n_commits, found.sent, found.torn, found.open, found.lost, found.stale, found.late);
	return 0;
}

int
main(int argc, char **argv)
{
	signal(SIGTERM, on_signal);
	if (argc == 5 && strcmp(argv[1], "send") == 0)
		return send_frames(argv[2], atof(argv[3]), argv[4]);
	if (argc == 4 && strcmp(argv[1], "receive") == 0)
		return receive_frames(argv[2], argv[3]);
	if (argc == 5 && strcmp(argv[1], "judge") == 0)
		return judge(argv[2], argv[3], argv[4]);
	fprintf(stderr,
		"usage: tornprobe send INTERFACE PPS SENT | receive INTERFACE ARRIVED | "
		"judge SENT ARRIVED COMMITS\n");
	return 2;
}
