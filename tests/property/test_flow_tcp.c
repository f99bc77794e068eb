/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/sl_flow.h"
#include "random.h"
#include "tcp_host.h"

#include "base/sl_compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*
 * Two hosts talk through the tracker over a network that loses, repeats and reorders on both sides of it.
 *
 *     host 0 --- wire[0][NEAR] --- tracker --- wire[0][FAR] --- host 1
 *            --- wire[1][FAR]  ---         --- wire[1][NEAR] ---
 *
 * STRICT never drops what a host sends and its peer would take, or what its sender still waits for; it
 * stops nobody from finishing; and whoever does not know the numbers neither gets through nor changes
 * anything.
 */

#define WIRE_MAX 48u

enum {
	NEAR, /* between the sender and the tracker */
	FAR   /* between the tracker and the receiver */
};

struct flying {
	struct sl_tcp_segment segment;
	uint32_t life; /* of the host that sent it: which one, if it has been cut */
};

struct wire {
	struct flying segments[WIRE_MAX];
	uint32_t n;
};

/* What kind of network and what kind of talk. */
struct weather {
	uint32_t loss;      /* percent */
	uint32_t twice;     /* percent */
	uint32_t shuffle;   /* segments that may overtake */
	uint32_t attackers; /* percent of steps */
	uint32_t attacked;  /* direction of what they send */
	bool may_abort;
	bool may_crash;
};

struct world {
	struct random random;
	struct weather weather;
	struct host hosts[2];
	uint32_t lives[2];
	struct wire wires[2][2];
	struct sl_tcp tcp;
	bool is_tracked;
	bool was_cut; /* aborted or crashed: no orderly end */
	uint32_t n_established;
	uint64_t n_segments;
	uint64_t n_forged;
	uint64_t n_dropped;
	uint32_t connection; /* for reports */
};

struct sender {
	struct world *world;
	uint32_t direction;
};

static void
put(struct world *world, struct wire *wire, const struct flying *flying)
{
	if (wire->n == WIRE_MAX)
		wire->segments[random_below(&world->random, WIRE_MAX)] = *flying;
	else
		wire->segments[wire->n++] = *flying;
}

static void
send_near(void *user, const struct sl_tcp_segment *segment)
{
	const struct sender *sender = user;
	struct world *world = sender->world;

	put(world, &world->wires[sender->direction][NEAR],
		&(struct flying){*segment, world->lives[sender->direction]});
}

static void
ignore(void *user, const struct sl_tcp_segment *segment)
{
	(void)user;
	(void)segment;
}

/* The next segment of a wire; false: there is none, or it is lost. */
static bool
take(struct world *world, struct wire *wire, struct flying *flying)
{
	uint32_t i;

	if (wire->n == 0)
		return false;
	i = random_below(&world->random, SL_MIN(wire->n, 1 + world->weather.shuffle));
	*flying = wire->segments[i];
	if (random_chance(&world->random, world->weather.twice))
		return true;
	wire->n--;
	memmove(&wire->segments[i], &wire->segments[i + 1], (wire->n - i) * sizeof(*flying));
	return !random_chance(&world->random, world->weather.loss);
}

static void
report(const struct world *world, const struct sl_tcp_segment *segment, uint32_t direction)
{
	const struct sl_tcp *tcp = &world->tcp;

	print_error("connection %u, direction %u: seq %u ack %u payload %u flags %02x window %u\n",
		world->connection, direction, segment->seq, segment->ack, segment->payload,
		segment->flags, segment->window);
	print_error("tracker %s flags %02x %02x scale %02x log %u %u\n",
		sl_tcp_state_name(tcp->state), tcp->flags[0], tcp->flags[1], tcp->scale,
		tcp->window_log[0], tcp->window_log[1]);
	for (uint32_t i = 0; i < 2; i++) {
		const struct host *host = &world->hosts[i];

		print_error("side %u end %u limit %u ack %u\n", i, tcp->side[i].end,
			tcp->side[i].limit, tcp->side[i].ack);
		print_error("host %u state %u iss %u una %u nxt %u max %u rcv_nxt %u window %u "
			    "free %d\n",
			i, host->state, host->iss, host->una, host->nxt, host->max, host->rcv_nxt,
			host->window, (int)(host->rcv_size - host->rcv_used));
	}
}

/* What the receiver would do with it now. */
static enum host_answer
answer_to(const struct world *world, const struct sl_tcp_segment *segment, uint32_t direction)
{
	struct host copy = world->hosts[!direction];
	struct random random = world->random;

	copy.send = ignore;
	copy.random = &random;
	return host_receive(&copy, segment);
}

/* Whether the sender sends just this again until somebody answers. */
static bool
is_waited_for(const struct world *world, const struct sl_tcp_segment *segment, uint32_t direction)
{
	const struct host *host = &world->hosts[direction];
	uint32_t end = segment->seq + segment->length;

	if (host->state < HOST_SYN_SENT || segment->length == 0 || segment->flags & 4)
		return false;
	if (segment->flags & 16 && segment->ack != host->rcv_nxt)
		return false;
	return (int32_t)(end - host->una) > 0 && (int32_t)(end - host->max) <= 0;
}

/* The tracker as a pipeline uses it. */
static enum sl_reason
track(struct world *world, const struct sl_tcp_segment *segment, uint32_t direction)
{
	struct sl_tcp_step step = {0};

	if (world->is_tracked)
		sl_tcp_next(&world->tcp, segment, direction, SL_FLOW_TCP_STRICT, &step);
	if (!world->is_tracked || step.is_reopening) {
		sl_tcp_open(&world->tcp, segment, direction, SL_FLOW_MIDSTREAM_DROP, &step);
		world->is_tracked = step.reason == SL_REASON_NONE;
	}
	world->n_established += step.is_established;
	return step.reason;
}

/*
 * Whether it was right to drop a host's segment: its receiver does nothing with it that somebody needs.
 *
 * What a host sent before it was cut off is needed by nobody.  When one was, the tracker may know another
 * connection than they do, and drop an answer to a SYN, or a reset in the name of a connection that it has
 * forgotten or for a SYN that it did not see as one.  All of that comes again until it is clear, which
 * finish shows.
 */
static bool
is_no_loss(const struct world *world, const struct flying *flying, uint32_t direction)
{
	const struct sl_tcp_segment *segment = &flying->segment;

	if (flying->life != world->lives[direction])
		return true;
	if (world->was_cut && segment->flags == 0x12)
		return true;
	if (world->was_cut && segment->flags & 4 &&
		(world->tcp.state < SL_TCP_ESTABLISHED || world->tcp.state == SL_TCP_CLOSED))
		return true;
	switch (answer_to(world, segment, direction)) {
	case HOST_IGNORED:
		return true;
	case HOST_ANSWERED:
		return !is_waited_for(world, segment, direction);
	default:
		return false;
	}
}

static void
pass_tracker(struct world *world, uint32_t direction)
{
	struct flying flying;
	enum sl_reason reason;

	if (!take(world, &world->wires[direction][NEAR], &flying))
		return;
	world->n_segments++;
	reason = track(world, &flying.segment, direction);
	if (reason == SL_REASON_NONE) {
		put(world, &world->wires[direction][FAR], &flying);
		return;
	}
	world->n_dropped++;
	if (!is_no_loss(world, &flying, direction)) {
		report(world, &flying.segment, direction);
		fail_msg("dropped as %s", sl_reason_name(reason));
	}
}

static void
arrive(struct world *world, uint32_t direction)
{
	struct flying flying;

	if (take(world, &world->wires[direction][FAR], &flying))
		host_receive(&world->hosts[!direction], &flying.segment);
}

/* --- Those who do not know the numbers. --- */

#define FAR_AWAY (8u << 20)

static bool
is_near(uint32_t number, uint32_t from)
{
	return number - from + FAR_AWAY < 2 * FAR_AWAY;
}

/* A number that is near nothing that either the hosts or the tracker know of the sender. */
static uint32_t
blind_number(struct world *world, uint32_t direction)
{
	const struct sl_tcp_side *side = &world->tcp.side[direction];
	const struct host *peer = &world->hosts[!direction];
	uint32_t number;

	do
		number = (uint32_t)random_next(&world->random);
	while (is_near(number, side->end) || is_near(number, side->limit) ||
		is_near(number, world->tcp.side[!direction].ack) || is_near(number, peer->rcv_nxt));
	return number;
}

static void
attack(struct world *world)
{
	static const uint8_t kinds[] = {
		0x04, 0x14, 0x10, 0x18, 0x11, 0x12, 0x02, 0x00, 0x03, 0x06, 0x29};
	const uint32_t direction = world->weather.attacked;
	const struct sl_tcp before = world->tcp;
	struct sl_tcp_segment segment = {.scale = 7, .window = 65535};
	struct sl_tcp_step step;
	bool is_syn, is_challenge;

	segment.flags = kinds[random_below(&world->random, SL_ARRAY_LEN(kinds))];
	segment.payload =
		random_chance(&world->random, 50) ? random_below(&world->random, 1460) : 0;
	segment.length = segment.payload + (segment.flags & 1) + (segment.flags >> 1 & 1);
	segment.seq = blind_number(world, direction);
	segment.ack = blind_number(world, !direction);
	is_syn = segment.flags == 0x02;
	is_challenge = (segment.flags & 0x17) == 0x10 && segment.length == 0 &&
		before.state == SL_TCP_SYN_SENT;
	/* What an opener sends before it is answered may be anything; so may a SYN where none is live. */
	if (!world->is_tracked || before.state >= SL_TCP_LAST_ACK ||
		(is_syn && before.state < SL_TCP_ESTABLISHED))
		return;
	world->n_forged++;
	sl_tcp_next(&world->tcp, &segment, direction, SL_FLOW_TCP_STRICT, &step);
	assert_int_equal(world->tcp.state, before.state);
	assert_false(step.is_established || step.is_reopening);
	if (is_syn)
		assert_int_equal(step.reason, SL_REASON_NONE);
	if (is_syn || (is_challenge && step.reason == SL_REASON_NONE)) {
		assert_memory_equal(&before.side[!direction], &world->tcp.side[!direction],
			sizeof(before.side[0]));
		/* It is for the host to answer; here it has lost its way. */
		return;
	}
	if (step.reason == SL_REASON_NONE)
		report(world, &segment, direction);
	assert_int_not_equal(step.reason, SL_REASON_NONE);
	assert_memory_equal(&before, &world->tcp, sizeof(before));
}

/* --- A connection's life. --- */

static void
choose_options(struct world *world, struct host *host, bool is_fast)
{
	static const uint32_t sizes[] = {500, 4000, 65535, 300000, 1 << 20};
	struct random *random = &world->random;

	host->rcv_size = sizes[random_below(random, SL_ARRAY_LEN(sizes))];
	if (random_chance(random, 70))
		host->scale = (uint8_t)(host->rcv_size > 65535 ? 5 + random_below(random, 5)
							       : random_below(random, 9));
	host->has_timestamps = random_chance(random, 50);
	host->is_fast = is_fast;
}

static void
prepare(struct world *world, struct sender senders[2])
{
	const bool is_fast = !world->weather.may_crash && random_chance(&world->random, 20);

	memset(world->wires, 0, sizeof(world->wires));
	for (uint32_t i = 0; i < 2; i++) {
		struct host *host = &world->hosts[i];

		senders[i] = (struct sender){world, i};
		host_init(host, &world->random, random_below(&world->random, 60000));
		host->send = send_near;
		host->user = &senders[i];
		choose_options(world, host, is_fast);
	}
	world->was_cut = false;
	world->n_established = 0;
}

/*
 * A new number behind those that the side has used on this connection's ports, as RFC 9293 3.4.1 wants; by
 * and by further, when the tracker may not have seen the end of the last connection.
 */
static uint32_t
initial_number(struct world *world, uint32_t i)
{
	uint32_t number = (uint32_t)random_next(&world->random);
	uint32_t behind = world->tcp.side[i].end + 1 + random_below(&world->random, 1u << 24);

	if (!world->is_tracked)
		return random_chance(&world->random, 30) ? number | 0xfffff000u : number;
	return world->tcp.state == SL_TCP_TIME_WAIT ? behind : behind + (1u << 25);
}

static bool
is_live(const struct world *world)
{
	return world->is_tracked && world->tcp.state < SL_TCP_TIME_WAIT;
}

static void
open_connection(struct world *world)
{
	uint32_t opener = random_below(&world->random, 2);

	if (random_chance(&world->random, 15) && !is_live(world)) {
		world->hosts[0].is_fast = world->hosts[1].is_fast = false;
		host_open(&world->hosts[!opener], initial_number(world, !opener));
		host_open(&world->hosts[opener], initial_number(world, opener));
		return;
	}
	host_listen(&world->hosts[!opener]);
	host_open(&world->hosts[opener], initial_number(world, opener));
}

/*
 * One host loses its connection.  Who is switched off and on keeps quiet for as long as segments live
 * (RFC 9293 3.4.3), so none of them does; who only aborts goes on with numbers far from those it has used.
 */
static void
cut(struct world *world, uint32_t i)
{
	struct host *host = &world->hosts[i];
	const bool was_opener = host->has_opened;
	uint32_t iss = host->max + (1u << 25) + random_below(&world->random, 1u << 20);

	if (host->state < HOST_SYN_SENT)
		return;
	if (world->weather.may_crash && random_chance(&world->random, 50)) {
		host_crash(host);
		memset(world->wires, 0, sizeof(world->wires));
		iss = (uint32_t)random_next(&world->random);
	} else if (world->weather.may_abort) {
		host_abort(host);
	} else {
		return;
	}
	world->was_cut = true;
	world->lives[i]++;
	/* Whoever opened may do it again; the other waits for it. */
	if (!was_opener)
		host_listen(host);
	else if (random_chance(&world->random, 80))
		host_open(host, iss);
}

static void
live(struct world *world)
{
	struct random *random = &world->random;
	const uint32_t i = random_below(random, 2);
	struct host *host = &world->hosts[i];

	switch (random_below(random, 40)) {
	case 0:
		host_go_back(host);
		break;
	case 1:
		host->wants_fin |= host->state >= HOST_ESTABLISHED && random_chance(random, 10);
		break;
	case 2:
		if (random_chance(random, 2))
			cut(world, i);
		break;
	case 3:
		if (random_chance(random, 5) && host->rcv_size > 2000)
			host->rcv_size /= 2; /* takes back what it has offered */
		break;
	case 4 ... 7:
		host_read(host, random_below(random, 20000));
		break;
	default:
		if (host->owes_ack || random_chance(random, 40))
			host_act(host);
		break;
	}
}

static void
step_world(struct world *world)
{
	uint32_t direction = random_below(&world->random, 2);

	if (random_chance(&world->random, world->weather.attackers))
		attack(world);
	live(world);
	pass_tracker(world, direction);
	arrive(world, direction);
	if (random_chance(&world->random, 50))
		pass_tracker(world, !direction);
	else
		arrive(world, !direction);
}

/*
 * Who was cut off may leave somebody behind at a connection that the tracker knows to be over, or not to be
 * open yet; they give up in time.
 */
static bool
is_over(const struct world *world, const struct host *host)
{
	if (world->was_cut &&
		(world->tcp.state < SL_TCP_ESTABLISHED || world->tcp.state == SL_TCP_CLOSED))
		return true;
	return host->state == HOST_CLOSED || host->state == HOST_LISTEN ||
		host->state == HOST_TIME_WAIT;
}

static bool
are_wires_empty(const struct world *world)
{
	return world->wires[0][NEAR].n + world->wires[0][FAR].n + world->wires[1][NEAR].n +
		world->wires[1][FAR].n ==
		0;
}

/* In fair weather both finish: everything is delivered, and both close. */
static void
finish(struct world *world)
{
	const struct weather fair = {0};
	uint32_t n = 0;

	world->weather = fair;
	for (; n < 20000; n++) {
		for (uint32_t i = 0; i < 2; i++) {
			struct host *host = &world->hosts[i];

			host->wants_fin |= host->state >= HOST_ESTABLISHED;
			host_read(host, UINT32_MAX);
			if (n % 64 == 0)
				host_go_back(host);
			if (n % 8 == 0 || host->owes_ack)
				host_act(host);
			pass_tracker(world, i);
			arrive(world, i);
		}
		if (is_over(world, &world->hosts[0]) && is_over(world, &world->hosts[1]) &&
			are_wires_empty(world))
			return;
	}
	report(world, &(struct sl_tcp_segment){0}, 0);
	fail_msg("the hosts do not come to an end");
}

static void
check_end(const struct world *world)
{
	if (world->was_cut)
		return;
	assert_int_equal(world->n_established, 1);
	assert_int_equal(world->tcp.state, SL_TCP_TIME_WAIT);
	for (uint32_t i = 0; i < 2; i++)
		if (world->hosts[!i].delivered != world->hosts[i].total)
			fail_msg("connection %u: %lu of %u bytes", world->connection,
				(unsigned long)world->hosts[!i].delivered, world->hosts[i].total);
}

static void
connect_once(struct world *world, const struct weather *weather)
{
	struct sender senders[2];
	uint32_t n = 50 + random_below(&world->random, 3000);

	world->weather = *weather;
	prepare(world, senders);
	open_connection(world);
	for (uint32_t i = 0; i < n; i++)
		step_world(world);
	finish(world);
	check_end(world);
	world->connection++;
}

/* As many segments as that; every few connections the tracker forgets, otherwise ports are used again. */
static void
play(uint64_t n_segments, const struct weather *weather, struct world *world)
{
	*world = (struct world){.random = {random_seed()}};
	while (world->n_segments < random_amount(n_segments)) {
		if (random_chance(&world->random, 30))
			world->is_tracked = false;
		connect_once(world, weather);
	}
}

static void
test_fair_weather_drops_nothing(void **state)
{
	static const struct weather weather = {.attacked = 0};
	struct world world;

	(void)state;
	play(100000, &weather, &world);
	assert_int_equal(world.n_dropped, 0);
}

static void
test_loss_and_reordering(void **state)
{
	static const struct weather weather = {.loss = 5, .twice = 5, .shuffle = 6};
	struct world world;

	(void)state;
	play(400000, &weather, &world);
}

static void
test_storm(void **state)
{
	static const struct weather weather = {.loss = 20, .twice = 20, .shuffle = 40};
	struct world world;

	(void)state;
	play(300000, &weather, &world);
}

static void
test_aborts_and_crashes(void **state)
{
	static const struct weather weather = {
		.loss = 3, .twice = 3, .shuffle = 3, .may_abort = true, .may_crash = true};
	struct world world;

	(void)state;
	play(300000, &weather, &world);
}

static void
test_blind_attackers(void **state)
{
	static const struct weather weathers[] = {
		{.loss = 2, .twice = 2, .shuffle = 3, .attackers = 60, .attacked = 0},
		{.loss = 2, .twice = 2, .shuffle = 3, .attackers = 60, .attacked = 1},
	};
	struct world world;

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(weathers); i++) {
		play(100000, &weathers[i], &world);
		assert_true(world.n_forged > world.n_segments / 10);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fair_weather_drops_nothing),
		cmocka_unit_test(test_loss_and_reordering),
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_aborts_and_crashes),
		cmocka_unit_test(test_blind_attackers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
