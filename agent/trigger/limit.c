/* SPDX-License-Identifier: MIT */
/* limit - see limit.h. */
#include "agent/trigger/limit.h"

#include <sys/resource.h>

#include "agent/snap/gil.h"
#include "agent/base/sys.h"
#include "agent/trigger/room.h"

enum {
	LIMIT_FASTEST_MS = 20,
	LIMIT_SLOWEST_MS = 2000,
	LIMIT_WALK_NS_PER_BYTE = 4,
	LIMIT_MARGIN = 4
};

/* What a look sees. */
struct limit_look {
	struct room_self self;
	uint64_t most, used; /* under the memory limits; most 0 = not read yet */
};

/* One thing that is measured, and where its line is; 0 = none. */
struct limit_line {
	const char *why;
	enum allowance_cause cause;
	uint64_t (*measure)(struct limit_look *look);
	bool physical; /* the copy needs room under the same limit */
	uint64_t at;
	bool above, fresh; /* fresh: since the last look */
};

static uint64_t limit_measure_resident(struct limit_look *look)
{
	return look->self.resident;
}

static void limit_look_room(struct limit_look *look)
{
	if (!look->most)
		room_read(&look->most, &look->used);
}

static uint64_t limit_measure_group(struct limit_look *look)
{
	limit_look_room(look);
	return look->used;
}

static uint64_t limit_measure_address_space(struct limit_look *look)
{
	return look->self.address_space;
}

static uint64_t limit_measure_data(struct limit_look *look)
{
	return look->self.data;
}

enum { LIMIT_RESIDENT, LIMIT_GROUP, LIMIT_AS, LIMIT_DATA, LIMIT_LINES };

static struct limit_line lines[LIMIT_LINES] = {
	[LIMIT_RESIDENT] = { "rss limit", ALLOWANCE_RSS_LIMIT, limit_measure_resident,
			     true, 0, false, false },
	[LIMIT_GROUP] = { "memory limit", ALLOWANCE_LIMIT, limit_measure_group, true, 0,
			  false, false },
	[LIMIT_AS] = { "RLIMIT_AS", ALLOWANCE_LIMIT, limit_measure_address_space, false,
		       0, false, false },
	[LIMIT_DATA] = { "RLIMIT_DATA", ALLOWANCE_LIMIT, limit_measure_data, false, 0,
			 false, false },
};

static struct {
	uint64_t due;		/* next look */
	uint64_t seen, seen_at; /* resident bytes at the last look, and when */
	uint64_t rate;		/* bytes per second between the last two looks */
	uint64_t (*room)(void); /* what the program must not use up meanwhile ... */
	uint64_t room_at_fork;
	int copy; /* of the capture room_at_fork belongs to */
} limit;

/* ---- the lines ---- */

static uint64_t limit_share_of(int resource, uint32_t percent)
{
	struct rlimit r;

	if (sys4(SYS_prlimit64, 0, resource, NULL, &r) < 0 || r.rlim_cur == RLIM_INFINITY)
		return 0;
	return r.rlim_cur / 100 * percent;
}

void limit_begin(const struct trigger_config *config)
{
	uint64_t most, used;

	room_read(&most, &used);
	lines[LIMIT_RESIDENT].at =
		config->rss_bytes ? config->rss_bytes : most / 100 * config->rss_percent;
	lines[LIMIT_GROUP].at = most / 100 * config->limit_percent;
	lines[LIMIT_AS].at = limit_share_of(RLIMIT_AS, config->limit_percent);
	lines[LIMIT_DATA].at = limit_share_of(RLIMIT_DATA, config->limit_percent);
	for (unsigned i = 0; i < LIMIT_LINES; i++)
		lines[i].above = false;
	limit.due = 0;
}

bool limit_active(void)
{
	for (unsigned i = 0; i < LIMIT_LINES; i++) {
		if (lines[i].at)
			return true;
	}
	return false;
}

uint64_t limit_due(uint64_t now)
{
	return limit.due > now ? limit.due - now : 0;
}

uint64_t limit_wait(uint64_t distance)
{
	uint64_t ms = distance >> 20; /* 1 GiB/s */

	if (ms < LIMIT_FASTEST_MS)
		ms = LIMIT_FASTEST_MS;
	if (ms > LIMIT_SLOWEST_MS)
		ms = LIMIT_SLOWEST_MS;
	return ms * 1000000u;
}

static void limit_note_rate(uint64_t now, uint64_t resident)
{
	limit.rate = limit.seen && resident > limit.seen ?
		(resident - limit.seen) * 1000 / ((now - limit.seen_at) / 1000000 + 1) :
		0;
	limit.seen = resident;
	limit.seen_at = now;
}

/* Bytes that are missing to the line; 0 = crossed just now. */
static uint64_t limit_distance(struct limit_line *line, struct limit_look *look)
{
	const uint64_t value = line->measure(look);
	uint64_t far, need;

	line->fresh = false;
	if (line->above) {
		if (value < line->at - line->at / 10)
			line->above = false;
		return UINT64_MAX;
	}
	far = value < line->at ? line->at - value : 0;
	if (line->physical && value >= line->at / 2) { /* near enough to matter */
		limit_look_room(look);
		need = (32u << 20) + look->self.resident / 8;
		if (look->used + need >= look->most)
			far = 0;
		else if (look->most - look->used - need < far)
			far = look->most - look->used - need;
	}
	line->above = line->fresh = !far;
	return far;
}

void limit_refused(void)
{
	for (unsigned i = 0; i < LIMIT_LINES; i++)
		lines[i].above &= !lines[i].fresh;
}

const char *limit_crossed(enum allowance_cause *cause_ret)
{
	struct limit_look look = { .self = room_self() };
	const uint64_t now = sys_now_ns();
	uint64_t nearest = UINT64_MAX;
	const char *why = NULL;

	if (now < limit.due)
		return NULL;
	limit_note_rate(now, look.self.resident);
	for (unsigned i = 0; i < LIMIT_LINES; i++) {
		uint64_t far;

		if (!lines[i].at)
			continue;
		far = limit_distance(&lines[i], &look);
		if (!far && !why) {
			why = lines[i].why;
			*cause_ret = lines[i].cause;
		}
		if (far && far < nearest)
			nearest = far;
	}
	limit.due = sys_now_ns() + limit_wait(nearest);
	return why;
}

/* ---- holding a process that runs into its limit while we walk ---- */

bool limit_hurries(void)
{
	const uint64_t walk_ns = limit.seen * LIMIT_WALK_NS_PER_BYTE;

	return limit.rate &&
		room_left() / limit.rate < LIMIT_MARGIN * walk_ns / 1000000000u + 1;
}

void limit_waiting(struct job *job)
{
	if (job->copy != limit.copy) {
		limit.copy = job->copy;
		/* where it is slowed down already, so is the copy, however it waits */
		limit.room = room_left_unslowed() ? room_left_unslowed : room_left;
		limit.room_at_fork = limit.room();
		return;
	}
	if (limit.room() < limit.room_at_fork / 2)
		gil_hold(job);
}
