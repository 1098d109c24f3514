/* SPDX-License-Identifier: MIT */
/* pressure - see pressure.h. */
#include "agent/trigger/pressure.h"

#include <string.h>
#include <sys/eventfd.h>

#include "agent/base/sys.h"
#include "agent/base/phrase.h"
#include "agent/snap/owned_fd.h"
#include "agent/trigger/destination.h"
#include "agent/trigger/limit.h"
#include "agent/trigger/notice.h"
#include "agent/trigger/room.h"

enum {
	PRESSURE_SHARE = 90, /* percent of a v1 limit */
	PRESSURE_AGAIN = 8,  /* a program closes what it doesn't know once or twice */
};

#define PRESSURE_LOOK_NS 2000000000ull

struct pressure_source;

/* How a kind of source is told from noise. */
struct pressure_kind {
	struct pressure_alarm alarm;
	short events; /* for poll */
	bool late;    /* it tells only when there is no room left for a copy */
	bool (*heard)(struct pressure_source *source, short revents);
	/* of a source that we look at ourselves, and how that is called */
	bool (*over)(struct pressure_source *source);
	struct pressure_alarm seen;
};

struct pressure_source {
	const struct pressure_kind *kind;
	struct owned_fd fd;
	struct owned_fd usage; /* threshold: memory.usage_in_bytes */
	bool look;	       /* no event will tell of the line: we look ourselves */
	bool above;	       /* looked at, and told of since it went over its line */
	uint64_t value; /* events: their count when last read; threshold: its bytes */
	uint64_t ooms;	/* events: those of them that are "oom" */
	uint64_t least; /* events: it was full when we came, the line is here */
	char dir[ROOM_PATH]; /* events, threshold: the group's folder */
};

static struct {
	struct pressure_source source[PRESSURE_SOURCES];
	char dir[ROOM_PATH];	      /* of the group of v1 with the tightest limit */
	uint64_t due;		      /* of our next look */
	struct pressure_source *told; /* the last that was looked at and over; or NULL */
	unsigned count;
	unsigned again; /* times that the application closed ours and we opened anew */
	const struct trigger_config *config;
} pressure;

/* The file from its beginning, NUL-terminated; false when it can't be read any more. */
static bool pressure_read(int fd, char *buf, size_t size)
{
	const long n = sys4(SYS_pread64, fd, SYS_ARG(buf), (long)size - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static struct pressure_source *pressure_add(const struct pressure_kind *kind, int fd,
					    int usage, uint64_t value, const char *dir)
{
	struct pressure_source *const s = &pressure.source[pressure.count];
	struct phrase t;

	*s = (struct pressure_source){ .kind = kind, .value = value, .look = kind->late };
	owned_fd_set(&s->fd, destination_high_fd(fd));
	owned_fd_set(&s->usage, usage);
	phrase_init(&t, s->dir, sizeof(s->dir));
	phrase_str(&t, dir);
	pressure.count++;
	return s;
}

static void pressure_close(struct pressure_source *source)
{
	owned_fd_close(&source->fd);
	owned_fd_close(&source->usage);
	source->look = false;
}

static bool pressure_full(void)
{
	return pressure.count == PRESSURE_SOURCES;
}

/* Nine tenths, and no later than when the copy (limit.h) would not fit any more. */
static uint64_t pressure_line(uint64_t max)
{
	const uint64_t share = max / 100 * PRESSURE_SHARE, need = (32u << 20) + max / 8;

	if (max / 2 < need)
		return max / 2;
	return max - need < share ? max - need : share;
}

static uint64_t pressure_halfway(uint64_t used, uint64_t limit)
{
	return used < limit ? used + (limit - used) / 2 : limit;
}

/* The nearest of several groups says when we look next. */
static void pressure_look_again(uint64_t distance)
{
	const uint64_t due = sys_now_ns() + limit_wait(distance);

	pressure.due = due < pressure.due ? due : pressure.due;
}

/*
 * Is more used than the line says?  The kernel counts page cache, which it can drop:
 * while only that is over the line, what it tells is no news, and we look ourselves.
 */
static bool pressure_over(struct pressure_source *source, uint64_t used, uint64_t line,
			  const char *cache)
{
	const bool told = used < line && !source->kind->late; /* an event will tell */
	const uint64_t low = line - line / 10;
	char path[ROOM_PATH + 64];

	if (used >= low && room_path(path, sizeof(path), source->dir, "memory.stat")) {
		const uint64_t dropped = room_field(path, cache);

		used -= dropped < used ? dropped : used;
	}
	source->above &= used >= low;
	source->look = source->kind->late || (!told && used < line);
	if (source->look && used < line)
		pressure_look_again(line - used);
	return used >= line;
}

/* ---- memory.events ---- */

/* The sum of the counts with these names, count of them, in a memory.events. */
static uint64_t pressure_sum(const char *text, const char *const *names, unsigned count)
{
	uint64_t sum = 0, v;

	for (const char *s = text; s && *s; s = (s = strchr(s, '\n')) ? s + 1 : NULL) {
		for (unsigned i = 0; i < count; i++) {
			const size_t length = strlen(names[i]);
			const char *digits = s + length;

			if (strncmp(s, names[i], length) == 0 &&
			    phrase_parse_u64(&digits, &v))
				sum += v;
		}
	}
	return sum;
}

static const char *const pressure_names[] = { "oom ", "high ", "max " };

uint64_t pressure_events(const char *text)
{
	return pressure_sum(text, pressure_names, 3);
}

/* The nearer of the two; UINT64_MAX = none. */
static uint64_t pressure_events_limit(const char *dir)
{
	const uint64_t high = room_number(dir, "memory.high");
	const uint64_t max = room_number(dir, "memory.max");

	return high < max ? high : max;
}

static bool pressure_events_over(struct pressure_source *source)
{
	const uint64_t used = room_number(source->dir, room_v2.used);
	uint64_t line = pressure_line(pressure_events_limit(source->dir));

	if (used == UINT64_MAX) {
		pressure_close(source); /* we were moved, and the group is gone */
		return false;
	}
	if (used < line - line / 10)
		source->least = 0;
	if (line < source->least)
		line = source->least;
	return pressure_over(source, used, line, room_v2.cache);
}

static bool pressure_events_heard(struct pressure_source *source, short revents)
{
	const uint64_t before = source->value, ooms = source->ooms;
	char buf[512];

	(void)revents;
	if (!pressure_read(source->fd.fd, buf, sizeof(buf))) {
		pressure_close(source); /* we were moved, and the group is gone */
		return false;
	}
	source->value = pressure_events(buf);
	source->ooms = pressure_sum(buf, pressure_names, 1);
	if (source->ooms > ooms) /* it was no cache, whatever is used now */
		return true;
	return source->value > before && pressure_events_over(source);
}

/* At memory.max the kernel kills, from memory.high on it slows down whoever asks for
 * memory, our copy too. */
static const struct pressure_kind pressure_kind_events = {
	.alarm = { "memory.events", ALLOWANCE_PRESSURE },
	.events = POLLPRI,
	.late = true,
	.heard = pressure_events_heard,
	.over = pressure_events_over,
	.seen = { "memory.current", ALLOWANCE_PRESSURE },
};

static void pressure_add_events(const char *dir)
{
	char path[ROOM_PATH + 64], buf[512];
	struct pressure_source *s;
	int fd;

	if (pressure_events_limit(dir) == UINT64_MAX)
		return;
	if (pressure_full() || !room_path(path, sizeof(path), dir, "memory.events"))
		return;
	fd = sys_open(path, O_RDONLY, 0);
	if (fd < 0)
		return;
	if (!pressure_read(fd, buf, sizeof(buf))) {
		sys_close(fd);
		return;
	}
	s = pressure_add(&pressure_kind_events, fd, -1, pressure_events(buf), dir);
	s->ooms = pressure_sum(buf, pressure_names, 1);
	if (pressure_events_over(s)) /* no news, for a worker just forked */
		s->least = pressure_halfway(room_number(dir, room_v2.used),
					    pressure_events_limit(dir));
}

/* ---- memory.pressure ---- */

/* The kernel tells only what was asked for, once in a window; and POLLERR beside it for
 * ever when we were moved and the group is gone. */
static bool pressure_stall_heard(struct pressure_source *source, short revents)
{
	if (revents & POLLERR)
		pressure_close(source);
	return !(revents & POLLERR);
}

static const struct pressure_kind pressure_kind_stall = {
	.alarm = { "memory.pressure", ALLOWANCE_STALL },
	.events = POLLPRI,
	.heard = pressure_stall_heard,
};

static bool pressure_add_stall(const struct trigger_config *config, const char *path)
{
	char buf[64];
	struct phrase t;
	int fd;

	if (pressure_full())
		return false;
	fd = sys_open(path, O_RDWR | O_NONBLOCK, 0);
	if (fd < 0)
		return false;
	phrase_init(&t, buf, sizeof(buf));
	phrase_str(&t, "some ");
	phrase_u64(&t, config->stall_ns / 1000);
	phrase_str(&t, " ");
	phrase_u64(&t, config->window_ns / 1000);
	if (sys_failed(sys_write(fd, buf, t.used + 1))) {
		sys_close(fd);
		return false;
	}
	pressure_add(&pressure_kind_stall, fd, -1, 0, "");
	return true;
}

/* ---- thresholds of v1 ---- */

static bool pressure_threshold_over(struct pressure_source *source)
{
	char buf[64];
	const char *s = buf;
	uint64_t used;

	if (!pressure_read(source->usage.fd, buf, sizeof(buf))) {
		pressure_close(source); /* we were moved, and the group is gone */
		return false;
	}
	return phrase_parse_u64(&s, &used) &&
		pressure_over(source, used, source->value, room_v1.cache);
}

/* The eventfd tells of a crossing in either direction. */
static bool pressure_threshold_heard(struct pressure_source *source, short revents)
{
	uint64_t crossings;

	(void)revents;
	sys_read(source->fd.fd, &crossings, sizeof(crossings));
	return pressure_threshold_over(source);
}

static const struct pressure_kind pressure_kind_threshold = {
	.alarm = { "memory.usage_in_bytes", ALLOWANCE_PRESSURE },
	.events = POLLIN,
	.heard = pressure_threshold_heard,
	.over = pressure_threshold_over,
	.seen = { "memory.usage_in_bytes", ALLOWANCE_PRESSURE },
};

static bool pressure_register(const char *dir, int event, int usage, uint64_t line)
{
	char path[ROOM_PATH + 64], buf[96];
	struct phrase t;
	bool done;
	int fd;

	if (!room_path(path, sizeof(path), dir, "cgroup.event_control"))
		return false;
	fd = sys_open(path, O_WRONLY, 0);
	if (fd < 0)
		return false;
	phrase_init(&t, buf, sizeof(buf));
	phrase_u64(&t, (uint64_t)event);
	phrase_str(&t, " ");
	phrase_u64(&t, (uint64_t)usage);
	phrase_str(&t, " ");
	phrase_u64(&t, line);
	done = !sys_failed(sys_write(fd, buf, t.used));
	sys_close(fd);
	return done;
}

static void pressure_add_threshold(const char *dir, uint64_t max)
{
	const uint64_t line = pressure_line(max);
	char path[ROOM_PATH + 64];
	int usage, event;

	if (pressure_full() ||
	    !room_path(path, sizeof(path), dir, "memory.usage_in_bytes"))
		return;
	usage = destination_high_fd(sys_open(path, O_RDONLY, 0));
	event = (int)sys2(SYS_eventfd2, 0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (usage >= 0 && event >= 0 && pressure_register(dir, event, usage, line)) {
		pressure_add(&pressure_kind_threshold, event, usage, line, dir);
		return;
	}
	if (usage >= 0)
		sys_close(usage);
	if (event >= 0)
		sys_close(event);
}

/* ---- all of them ---- */

/* Our group comes first, then those above it.  arg: the tightest limit of a group of
 * v1. */
static void pressure_look(const struct room_files *files, const char *dir, void *arg)
{
	uint64_t *const tightest = arg;
	struct phrase t;

	if (files == &room_v1) {
		const uint64_t max = room_number(dir, files->max);

		/* "no limit" is the largest number of pages */
		if (max < *tightest) {
			*tightest = max;
			phrase_init(&t, pressure.dir, sizeof(pressure.dir));
			phrase_str(&t, dir);
		}
		return;
	}
	pressure_add_events(dir);
}

/* arg: whether that of a group was had. */
static void pressure_look_for_stall(const struct room_files *files, const char *dir,
				    void *arg)
{
	bool *const had = arg;
	char path[ROOM_PATH + 64];

	if (files != &room_v1 && !*had &&
	    room_path(path, sizeof(path), dir, "memory.pressure"))
		*had = pressure_add_stall(pressure.config, path);
}

/* Of a group of v2, else of the machine; which says nothing of a group of v1. */
static void pressure_add_stalls(const struct trigger_config *config)
{
	bool had = false;

	room_groups(pressure_look_for_stall, &had);
	if (!had)
		had = pressure_add_stall(config, "/proc/pressure/memory");
	if (!had && pressure.count)
		notice_say("PYMEM_PRESSURE: memory.pressure can't be had here (it is "
			   "missing, or may not be written); only limits of the control "
			   "group are heard",
			   NULL);
}

void pressure_begin(const struct trigger_config *config)
{
	uint64_t tightest = 1ull << 62;
	unsigned before;

	pressure.count = 0;
	pressure.due = 0;
	pressure.told = NULL;
	pressure.dir[0] = '\0';
	pressure.config = config;
	if (!config->stall_ns)
		return;
	room_groups(pressure_look, &tightest);
	before = pressure.count;
	if (pressure.dir[0])
		pressure_add_threshold(pressure.dir, tightest);
	if (pressure.count == before)
		pressure_add_stalls(config);
	if (!pressure.count)
		notice_say("PYMEM_PRESSURE: here the kernel doesn't tell of it (no "
			   "memory.events with a limit, no memory.pressure that may be "
			   "written, no threshold of v1); PYMEM_LIMIT looks by itself",
			   NULL);
}

bool pressure_active(void)
{
	return pressure.count;
}

/* One that the application closed: not ours any more, whatever has its number now.  All
 * eventfds look alike, so the other file of a threshold speaks for it too. */
static bool pressure_lost(const struct pressure_source *source)
{
	return !owned_fd_ok(&source->fd) ||
		(source->usage.fd >= 0 && !owned_fd_ok(&source->usage));
}

unsigned pressure_poll(struct pollfd *ret)
{
	bool lost = false;

	for (unsigned i = 0; i < pressure.count; i++)
		lost |= pressure.source[i].fd.fd >= 0 &&
			pressure_lost(&pressure.source[i]);
	if (lost) {
		pressure_forget();
		if (pressure.again++ < PRESSURE_AGAIN)
			pressure_begin(pressure.config);
	}
	for (unsigned i = 0; i < pressure.count; i++)
		ret[i] = (struct pollfd){ .fd = pressure.source[i].fd.fd,
					  .events = pressure.source[i].kind->events };
	return pressure.count;
}

uint64_t pressure_due(uint64_t now)
{
	for (unsigned i = 0; i < pressure.count; i++) {
		if (pressure.source[i].look)
			return pressure.due > now ? pressure.due - now : 0;
	}
	return UINT64_MAX;
}

const struct pressure_alarm *pressure_seen(uint64_t now)
{
	if (now < pressure.due)
		return NULL;
	pressure.due = now + PRESSURE_LOOK_NS;
	for (unsigned i = 0; i < pressure.count; i++) {
		struct pressure_source *const s = &pressure.source[i];

		if (!s->look || pressure_lost(s) || !s->kind->over(s) || s->above)
			continue;
		s->above = s->kind->late;
		pressure.told = s;
		return &s->kind->seen;
	}
	return NULL;
}

void pressure_refused(void)
{
	if (pressure.told)
		pressure.told->above = false;
}

const struct pressure_alarm *pressure_heard(const struct pollfd *polled)
{
	const struct pressure_alarm *told = NULL;

	for (unsigned i = 0; i < pressure.count; i++) {
		struct pressure_source *const s = &pressure.source[i];

		if (s->fd.fd < 0 || s->fd.fd != polled[i].fd || !polled[i].revents ||
		    pressure_lost(s))
			continue;
		if (!(polled[i].revents & s->kind->events))
			pressure_close(s); /* never polled in a circle */
		else if (s->kind->heard(s, polled[i].revents) &&
			 (!told || told->cause == ALLOWANCE_STALL))
			told = &s->kind->alarm;
	}
	return told;
}

void pressure_forget(void)
{
	for (unsigned i = 0; i < pressure.count; i++) {
		if (!pressure_lost(&pressure.source[i]))
			pressure_close(&pressure.source[i]);
	}
	pressure.count = 0;
}
