/* SPDX-License-Identifier: MIT */
/* receive - see receive.h. */
#include "loader/capture/receive.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "formats/text/escape.h"
#include "loader/base/clock.h"
#include "loader/target/process.h"
#include "loader/base/deadline.h"
#include "loader/base/fault.h"

#define SECOND UINT64_C(1000000000)

enum {
	STREAM_CHUNK = 256 << 10,
	/* An agent sends a dozen messages and, in a walk, some about its progress. */
	MESSAGES_MAX = 10000,	 /* at once, and */
	MESSAGES_SECOND = 100,	 /* so many more a second */
	GARBAGE_MAX = 100,	 /* packets that are no messages */
	FRAMING_SIZE = 64 << 20, /* of a snapshot without any object: generous */
};

struct receive {
	const struct injection *in;
	struct part *part;
	const struct receive_options *options;
	struct receive_result *ret;
	uint64_t started, deadline; /* deadline: of the whole job */
	uint64_t gil_from;	    /* since when the GIL is waited for, 0 = not */
	uint64_t stop_by;	    /* after a cancel or DONE: leave then; 0 = not yet */
	uint64_t next_watch, next_progress;
	bool control_open, stream_open;
	uint64_t messages, garbage; /* packets so far */
	uint64_t allowance;	    /* bytes of the stream, see receive_allows */
	char buf[STREAM_CHUNK];
};

static void receive_debug(const struct receive *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void receive_debug(const struct receive *r, const char *format, ...)
{
	char line[1024];

	va_list args;

	if (!r->options->log)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	r->options->log(r->options->log_arg, line);
}

static uint64_t receive_or_default(uint64_t v, uint64_t standard)
{
	return v ? v : standard;
}

/* Asks the agent to stop, once; from now on its end is awaited for the grace time. */
static void receive_stop(struct receive *r, enum receive_stop why)
{
	if (r->stop_by && r->ret->stop)
		return;
	if (r->ret->stop == RECEIVE_FINISHED)
		r->ret->stop = why;
	/* A frozen copy listens to nobody while it walks: ejecting kills it. */
	r->stop_by = clock_now() +
		(r->options->in_copy ?
			 0 :
			 receive_or_default(r->options->grace_ns, 3 * SECOND));
	const struct pymem_msg cancel = { .type = PYMEM_MSG_CANCEL,
					  .nonce = r->in->nonce };
	ssize_t n = send(r->in->command_fd, &cancel, sizeof(cancel),
			 MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno == ENOTSOCK) /* the pipes of an old kernel */
		n = write(r->in->command_fd, &cancel, sizeof(cancel));
	receive_debug(r, "cancel sent (reason %d): %s", (int)why,
		      n < 0 ? strerror(errno) : "ok");
}

/* Asked at once: a moment later somebody else may have it. */
static void receive_ask_holder(struct receive *r)
{
	if (!r->options->gil_holder || r->ret->gil_holder[0])
		return;
	deadline_begin(r->in->pid, 0, r->options->cancel_fd);
	r->options->gil_holder(r->in->pid, r->ret->gil_holder,
			       sizeof(r->ret->gil_holder));
	deadline_end();
}

static void receive_on_failed(struct receive_result *ret, const struct pymem_msg *m,
			      const char *text)
{
	ret->failed = true;
	ret->fail = (uint32_t)m->a;
	ret->fail_b = m->b;
	escape_copy(ret->fail_text, sizeof(ret->fail_text), text, m->text_size);
}

static void receive_on_crash(struct receive_result *ret, const struct pymem_msg *m,
			     const char *text)
{
	ret->crashed = true;
	ret->crash_signal = m->a;
	ret->crash_object = m->b;
	ret->crash_address = m->c;
	const size_t n = m->text_size < sizeof(ret->crash_type) ?
		m->text_size :
		sizeof(ret->crash_type) - 1;
	memcpy(ret->crash_type, text, n);
	ret->crash_type[n] = '\0';
}

static void receive_on_forked(struct receive_result *ret, const struct pymem_msg *m)
{
	ret->forked = true;
	ret->child_pid = m->a;
	ret->gil_wait_ns = m->b;
	ret->gil_held_ns = m->c;
	ret->fork_ns = m->d;
	strcpy(ret->phase, "walking"); /* until the agent says something better */
}

static void receive_on_walked(struct receive_result *ret, const struct pymem_msg *m,
			      const char *text)
{
	ret->walked = true;
	ret->objects = m->a;
	ret->edges = m->b;
	ret->walk_ns = m->c;
	ret->child_dirty_bytes = m->d;
	escape_copy(ret->doubt, sizeof(ret->doubt), text, m->text_size);
}

/* The job is over in the target: only bytes under way are waited for. */
static void receive_on_end(struct receive *r)
{
	r->ret->idle = true;
	r->gil_from = 0;
	if (!r->stop_by)
		r->stop_by = clock_now() +
			receive_or_default(r->options->grace_ns, 3 * SECOND);
}

static void receive_on_message(struct receive *r, const struct pymem_msg *m,
			       const char *text)
{
	struct receive_result *ret = r->ret;

	switch (m->type) {
	case PYMEM_MSG_HELLO:
		if (ret->hello) /* it says so once: the clock isn't put back */
			break;
		fault_point("heard HELLO");
		ret->hello = true;
		ret->agent_version = m->a;
		ret->worker_tid = m->b;
		r->gil_from = r->options->in_copy ? 0 : clock_now();
		break;
	case PYMEM_MSG_PHASE:
		escape_copy(ret->phase, sizeof(ret->phase), text, m->text_size);
		r->next_progress = 0;
		break;
	case PYMEM_MSG_FORKED:
		fault_point("heard FORKED");
		receive_on_forked(ret, m);
		r->gil_from = 0;
		break;
	case PYMEM_MSG_CRASH:
		receive_on_crash(ret, m, text);
		break;
	case PYMEM_MSG_WALKED:
		fault_point("heard WALKED");
		receive_on_walked(ret, m, text);
		break;
	case PYMEM_MSG_CHILD:
		fault_point("heard CHILD");
		ret->child = true;
		ret->child_status = (int)m->a;
		break;
	case PYMEM_MSG_FAILED:
		receive_on_failed(ret, m, text);
		if (ret->fail == PYMEM_FAIL_GIL)
			receive_ask_holder(r);
		receive_on_end(r);
		break;
	case PYMEM_MSG_DONE:
		fault_point("heard DONE");
		ret->done = true;
		if (m->a)
			ret->gil_held_ns = m->a;
		receive_on_end(r);
		break;
	default: /* a newer agent's: not ours to understand */
		break;
	}
}

/* Twice what the process has in memory: a snapshot compresses what it tells about. */
static uint64_t receive_allowance_now(const struct receive *r)
{
	char *text = process_read_own(r->in->pid, "status", 64 << 10, NULL);
	const uint64_t kilobytes = text ? process_text_field(text, "VmRSS", 10, 0) +
			process_text_field(text, "VmSwap", 10, 0) :
					  0;

	free(text);
	return FRAMING_SIZE + 2 * 1024 * kilobytes;
}

/* Asked when there is reason to: the process may have grown since the last time. */
static bool receive_allows(struct receive *r, uint64_t bytes)
{
	if (bytes <= r->allowance)
		return true;
	const uint64_t now = receive_allowance_now(r);
	if (now > r->allowance)
		r->allowance = now;
	return bytes <= r->allowance;
}

static bool receive_allows_message(struct receive *r, bool garbage)
{
	r->messages++;
	r->garbage += garbage;
	return r->garbage <= GARBAGE_MAX &&
		r->messages <=
		MESSAGES_MAX + MESSAGES_SECOND * ((clock_now() - r->started) / SECOND);
}

/* Never waits, even if somebody else was quicker to read (inject/channels.h). */
static ssize_t receive_take(int fd, void *buf, size_t size)
{
	const ssize_t n = recv(fd, buf, size, MSG_DONTWAIT);

	return n < 0 && errno == ENOTSOCK ? read(fd, buf, size) : n;
}

/* Read's answer of 0 or less: its other end is gone, or we can't read it any more, while
 * the agent, who would wait for us, works on. */
static void receive_end(struct receive *r, ssize_t n, bool *open, const char *what)
{
	const int err = n < 0 ? errno : 0;

	receive_debug(r, "%s closed%s%s", what, err ? ": " : "",
		      err ? strerror(err) : "");
	*open = false;
	if (!err || err == ECONNRESET)
		return;
	r->ret->error = err;
	receive_stop(r, RECEIVE_BROKEN);
}

static void receive_read_control(struct receive *r)
{
	struct {
		struct pymem_msg head;
		char text[PYMEM_MSG_TEXT_MAX + 1];
	} packet;
	const ssize_t n = receive_take(r->in->control_fd, &packet, sizeof(packet));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		receive_end(r, n, &r->control_open, "control channel");
		return;
	}
	const struct pymem_msg *m = &packet.head;
	const bool garbage = (size_t)n < sizeof(*m) ||
		m->text_size > PYMEM_MSG_TEXT_MAX ||
		(size_t)n < sizeof(*m) + m->text_size || m->nonce != r->in->nonce;
	if (!receive_allows_message(r, garbage)) {
		receive_stop(r, RECEIVE_FLOOD);
		return;
	}
	if (garbage) {
		receive_debug(
			r, "a packet of %zd bytes is no message of this agent: ignored",
			n);
		return;
	}
	receive_debug(r,
		      "message %" PRIu32 " a=%" PRIu64 " b=%" PRIu64 " c=%" PRIu64
		      " d=%" PRIu64 " text %" PRIu32,
		      m->type, m->a, m->b, m->c, m->d, m->text_size);
	receive_on_message(r, m, packet.text);
}

static void receive_read_stream(struct receive *r)
{
	const ssize_t n = receive_take(r->in->stream_fd, r->buf, sizeof(r->buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		receive_end(r, n, &r->stream_open, "stream");
		return;
	}
	if (!receive_allows(r, r->part->state.bytes + (uint64_t)n)) {
		receive_stop(r, RECEIVE_FLOOD);
		return;
	}
	fault_point("bytes came");
	const int e = part_feed(r->part, r->buf, (size_t)n);
	if (e < 0 && r->ret->stop == RECEIVE_FINISHED) {
		receive_debug(r, "stream refused: %s", strerror(-e));
		receive_stop(r, r->part->error ? RECEIVE_OUTPUT : RECEIVE_STREAM);
	}
}

/* Kills the copy before the target's own memory limit is in danger. */
static void receive_watch_memory(struct receive *r, uint64_t now)
{
	struct headroom h;

	if (!r->options->watch || now < r->next_watch || r->ret->stop)
		return;
	headroom_read(r->options->watch, &h);
	/* Often, where it gets tight: an application that writes takes 1 GB/s. */
	r->next_watch = now +
		(h.free / 4 < r->options->headroom_min ? SECOND / 200 : SECOND / 20);
	if (h.free >= r->options->headroom_min)
		return;
	r->ret->free_bytes = h.free;
	memcpy(r->ret->where, h.where, sizeof(r->ret->where));
	receive_stop(r, RECEIVE_MEMORY);
}

/* A thread that waits for the GIL can't answer: its end isn't waited for long. */
static void receive_stop_gil(struct receive *r, uint64_t now)
{
	receive_ask_holder(r);
	receive_stop(r, RECEIVE_GIL);
	if (r->stop_by > now + SECOND / 2)
		r->stop_by = now + SECOND / 2;
}

static void receive_check_clock(struct receive *r, uint64_t now)
{
	const uint64_t gil = receive_or_default(r->options->gil_timeout_ns, 5 * SECOND);

	if (r->ret->stop || r->ret->idle)
		return;
	if (!r->ret->hello &&
	    now > r->started + receive_or_default(r->options->hello_ns, 2 * SECOND))
		receive_stop(r, RECEIVE_NO_HELLO);
	else if (r->gil_from && !r->part->state.bytes && now > r->gil_from + gil + SECOND)
		receive_stop_gil(r, now);
	else if (now > r->deadline)
		receive_stop(r, RECEIVE_TIMEOUT);
}

static void receive_tell_progress(struct receive *r, uint64_t now)
{
	if (!r->options->progress || now < r->next_progress)
		return;
	r->next_progress = now + SECOND / 10;
	r->options->progress(r->options->progress_arg, r->ret->phase,
			     r->part->state.objects, r->part->state.bytes);
}

enum { SLOT_CONTROL, SLOT_STREAM, SLOT_CANCEL, SLOT_TARGET, SLOT_LIVE, SLOTS };

/* The target is gone: what is in the channels is still read, but not waited for long. */
static void receive_on_target_gone(struct receive *r)
{
	if (r->ret->gone)
		return;
	receive_debug(r, "the target ended");
	r->ret->gone = true;
	if (!r->stop_by || r->stop_by > clock_now() + SECOND)
		r->stop_by = clock_now() + SECOND;
}

static void receive_step(struct receive *r)
{
	struct live *live = r->part->live;
	const bool live_waits = live && live_pending(live);
	struct pollfd p[SLOTS] = {
		[SLOT_CONTROL] = { r->control_open ? r->in->control_fd : -1, POLLIN, 0 },
		[SLOT_STREAM] = { r->stream_open ? r->in->stream_fd : -1, POLLIN, 0 },
		[SLOT_CANCEL] = { r->ret->stop ? -1 : r->options->cancel_fd, POLLIN, 0 },
		[SLOT_TARGET] = { r->ret->gone ? -1 : r->in->pidfd, POLLIN, 0 },
		[SLOT_LIVE] = { live_waits ? live->fd : -1, POLLOUT, 0 },
	};
	const int n = poll(p, SLOTS, r->options->watch ? 10 : 50);

	if (n > 0) {
		if (p[SLOT_CONTROL].revents)
			receive_read_control(r);
		if (p[SLOT_STREAM].revents)
			receive_read_stream(r);
		if (p[SLOT_LIVE].revents)
			live_pump(live, live->have);
		if (p[SLOT_CANCEL].revents)
			receive_stop(r, RECEIVE_CANCELLED);
		if (p[SLOT_TARGET].revents)
			receive_on_target_gone(r);
	}
	const uint64_t now = clock_now();
	receive_watch_memory(r, now);
	receive_check_clock(r, now);
	receive_tell_progress(r, now);
}

/* Both channels at their end, or the patience of stop_by is over. */
static bool receive_over(const struct receive *r)
{
	if (!r->control_open && !r->stream_open)
		return true;
	if (r->ret->idle && !r->stream_open)
		return true;
	return r->stop_by && clock_now() > r->stop_by;
}

void receive_run(const struct injection *injection, struct part *part,
		 const struct receive_options *options, struct receive_result *ret)
{
	struct receive r = {
		.in = injection,
		.part = part,
		.options = options,
		.ret = ret,
		.started = clock_now(),
		.control_open = true,
		.stream_open = true,
	};

	assert(injection->control_fd >= 0 && injection->stream_fd >= 0);
	*ret = (struct receive_result){ 0 };
	/* The copy has the same limit and may name the type it hung on: it is let speak
	 * first, where the limit is in seconds, as the copy's is. */
	const uint64_t limit = receive_or_default(options->timeout_ns, 600 * SECOND);
	r.deadline = r.started + limit + (limit >= 2 * SECOND ? 2 * SECOND : 0);
	while (!receive_over(&r))
		receive_step(&r);
	/* A channel that broke off without a word: the worker or the whole target
	 * is gone.  Nothing of ours runs there any more. */
	if (!r.control_open && ret->stop != RECEIVE_BROKEN)
		ret->idle = true;
	r.next_progress = 0;
	receive_tell_progress(&r, clock_now());
}
