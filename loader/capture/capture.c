/* SPDX-License-Identifier: MIT */
/* capture - see capture.h. */
#include "loader/capture/capture.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/text/escape.h"
#include "loader/base/clock.h"
#include "loader/base/fault.h"
#include "loader/capture/capture_facts.h"
#include "loader/capture/capture_words.h"
#include "loader/capture/control_client.h"
#include "loader/capture/receive.h"

enum {
	TRIES_MAX = 4,	 /* one, and one more for each of three types that crashed */
	MOMENTS_MAX = 8, /* frozen copies of one process, each in a collection */
	MOMENT_MS = 10,	 /* before the next one: twice, four times... as long */
	MOMENT_MAX_MS = 500
};

struct capture {
	const struct capture_job *job;
	struct capture_result *ret;
	struct inject_options inject;
	enum load_method method; /* of the present try */
	struct load_error error; /* why nothing could be injected */
	struct load_error left;	 /* why an agent could not be taken out */
	struct receive_result got;
	int moments; /* frozen copies in the middle of a collection */
	bool injected;
	bool preloaded; /* the present try goes through the target's own agent */
};

static void capture_say(const struct capture *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void capture_say(const struct capture *c, const char *format, ...)
{
	char line[1024];

	va_list args;

	if (!c->job->log)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	c->job->log(c->job->log_arg, line);
}

/* Adds a sentence to the note, cut to its room. */
static void capture_note(struct capture_result *ret, const char *text)
{
	const size_t used = strlen(ret->note), room = sizeof(ret->note) - used;

	assert(used < sizeof(ret->note));
	if (*text && room > 3)
		snprintf(ret->note + used, room, "%s%.*s", used ? "; " : "",
			 (int)room - 3, text);
}

static void capture_fill_start(struct capture *c)
{
	const struct load_options *o = c->job->options;
	struct pymem_start *s = &c->inject.start;

	memcpy(s->magic, PYMEM_START_MAGIC, sizeof(s->magic));
	s->version = PYMEM_START_VERSION;
	s->size = sizeof(*s);
	s->configured = 1;
	s->control_fd = s->command_fd = s->stream_fd = -1;
	s->flags = (o->no_fork ? PYMEM_START_NO_FORK : 0) |
		(o->no_values ? PYMEM_START_NO_VALUES : 0) |
		(c->job->keep ? PYMEM_START_KEEP : 0);
	s->gil_timeout_ms = (uint32_t)(o->gil_timeout_ns / 1000000);
	s->child_timeout_s = (uint32_t)((o->timeout_ns + 999999999) / 1000000000);
	s->value_limit = o->value_limit;
	s->max_memory = o->max_memory;
	if (getrandom(&s->seed, sizeof(s->seed), 0) != sizeof(s->seed))
		s->seed = clock_now();
	if (c->job->probes)
		snprintf(s->probes, sizeof(s->probes), "%s", c->job->probes);
}

static void capture_fill_inject(struct capture *c)
{
	c->inject.agent = c->job->agent->data;
	c->inject.agent_size = c->job->agent->size;
	c->inject.cancel_fd = c->job->cancel_fd;
	c->inject.unfiltered = c->job->options->method == LOAD_METHOD_EXTERNAL;
	c->inject.log = c->job->log;
	c->inject.log_arg = c->job->log_arg;
	capture_fill_start(c);
}

static bool capture_cancelled(const struct capture *c)
{
	struct pollfd p = { .fd = c->job->cancel_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void capture_receive(struct capture *c, const struct injection *in)
{
	const struct load_options *o = c->job->options;
	const struct receive_options ro = {
		.gil_timeout_ns = o->gil_timeout_ns,
		.timeout_ns = o->timeout_ns,
		.in_copy = c->method == LOAD_METHOD_EXTERNAL,
		.cancel_fd = c->job->cancel_fd,
		.gil_holder = capture_words_gil_holder,
		.watch = &c->job->plan->watch,
		.headroom_min = c->job->plan->keep_bytes,
		.progress = c->job->progress,
		.progress_arg = c->job->progress_arg,
		.log = c->job->log,
		.log_arg = c->job->log_arg,
	};

	receive_run(in, c->job->part, &ro, &c->got);
}

/* Takes the agent out, or the copy away; what fails there is kept for the note. */
static void capture_eject(struct capture *c, struct injection *in)
{
	const bool keep = c->job->keep && c->method == LOAD_METHOD_AGENT;
	struct load_error err = { 0 };

	in->worker_tid = (uint32_t)c->got.worker_tid;
	if (c->got.gone || inject_eject(in, &c->inject, keep, &err) == 0)
		return;
	capture_say(c, "not ejected: %s", err.text);
	if (err.code == LOAD_E_GONE)
		c->got.gone = true;
	else
		c->left = err;
}

/*
 * An agent that could not be taken out at its time (its thread waited for the
 * GIL, say) may have ended meanwhile: once more, then it's told.
 */
static void capture_clear_away(struct capture *c)
{
	struct load_error err = { 0 };
	char *const text = c->ret->left;

	if (c->left.code == LOAD_OK || c->got.gone)
		return;
	if (inject_remove(c->job->pid, &c->inject, &err) == 0 || err.code == LOAD_E_GONE)
		return;
	capture_note(c->ret,
		     escape_copy(text, sizeof(c->ret->left), c->left.text,
				 strlen(c->left.text)));
	if (c->left.code != LOAD_E_STATE)
		*text = '\0'; /* it ends by itself, or always stays */
}

static int capture_inject(struct capture *c, struct injection *in)
{
	const pid_t pid = c->job->pid;

	if (c->method == LOAD_METHOD_EXTERNAL)
		return inject_external(pid, &c->inject, in, &c->error);
	const int fd = c->job->plan->preloaded ? control_client_connect(pid) : -1;
	if (fd >= 0) {
		const int r =
			control_client_start(fd, pid, &c->inject.start, in, &c->error);

		close(fd);
		c->preloaded = r == 0;
		if (r == 0 || c->error.code == LOAD_E_BUSY)
			return r;
		capture_say(c, "not through its own agent: %s", c->error.text);
	}
	return inject_agent(pid, &c->inject, in, &c->error);
}

/* One try with c->method: inject, listen, eject. False: nothing was injected. */
static bool capture_try_once(struct capture *c)
{
	struct injection in = {
		.pidfd = -1, .control_fd = -1, .command_fd = -1, .stream_fd = -1
	};
	const bool external = c->method == LOAD_METHOD_EXTERNAL;

	capture_say(c, "%s", external ? "trying a frozen copy" : "trying the agent");
	c->got = (struct receive_result){ 0 };
	c->error = (struct load_error){ 0 };
	c->preloaded = false;
	fault_point("try");
	c->injected = capture_inject(c, &in) == 0;
	fault_point("injected");
	if (!c->injected) {
		capture_say(c, "not injected: %s", c->error.text);
		return false;
	}
	strcpy(c->ret->method,
	       external				? "external" :
		       c->job->options->no_fork ? "in-place" :
						  "agent");
	c->ret->preloaded = c->preloaded;
	const int r = part_begin(c->job->part);
	if (r == 0)
		capture_receive(c, &in);
	else if (!c->job->part->error)
		c->job->part->error = r;
	fault_point("received");
	c->ret->consistent = external ? in.consistent : true;
	if (c->preloaded) {
		control_client_close(&in);
		return true;
	}
	capture_eject(c, &in);
	fault_point("ejected");
	c->ret->stopped_ns += in.stopped_ns;
	if (external)
		c->ret->fork_ns = in.fork_ns;
	inject_close(&in);
	return true;
}

/* Numbers of the try that just ended. */
static void capture_take_numbers(struct capture *c)
{
	const struct receive_result *got = &c->got;
	struct capture_result *ret = c->ret;

	assert(c->injected);
	ret->gil_wait_ns = got->gil_wait_ns;
	ret->gil_held_ns = got->gil_held_ns;
	if (c->method != LOAD_METHOD_EXTERNAL)
		ret->fork_ns = got->fork_ns;
	ret->walk_ns = got->walk_ns;
	ret->child_dirty_bytes = got->child_dirty_bytes;
	ret->objects = got->walked ? got->objects : c->job->part->state.objects;
	ret->edges = got->edges;
}

/*
 * A crash while objects of a named type were walked: that type is put on the
 * list of those to be skipped.  False: nothing to be gained by another try.
 */
static bool capture_skip_crashed(struct capture *c)
{
	char *list = c->inject.start.skip_types;
	const size_t room = sizeof(c->inject.start.skip_types);
	const char *type = c->got.crash_type;
	size_t used = 0;

	if (!c->got.crashed || !*type || c->got.stop || c->got.gone ||
	    c->job->part->error)
		return false;
	while (list[used]) {
		if (strcmp(list + used, type) == 0)
			return false; /* skipped already, and still it crashed there */
		used += strlen(list + used) + 1;
	}
	if (used + strlen(type) + 2 > room)
		return false;
	memcpy(list + used, type, strlen(type) + 1);
	list[used + strlen(type) + 1] = '\0';
	char text[600];
	escape_copy(text, sizeof(text), type, strlen(type));
	const size_t n = strlen(c->ret->skipped);
	snprintf(c->ret->skipped + n, sizeof(c->ret->skipped) - n, "%s%s", n ? ", " : "",
		 text);
	c->ret->retries++;
	capture_say(c, "the walk crashed on %s: again without its references", text);
	return true;
}

/* Would a frozen copy do better where the agent failed? */
static bool capture_copy_may_work(const struct capture *c)
{
	static const bool by_error[] = {
		[LOAD_E_NO_SAFE_POINT] = true, [LOAD_E_STATE] = true,
		[LOAD_E_CALL] = true,	       [LOAD_E_TIMEOUT] = true,
		[LOAD_E_SYSTEM] = false,
	};
	static const bool by_fail[] = {
		[PYMEM_FAIL_NOT_READY] = true,
		[PYMEM_FAIL_GIL] = true,
		[PYMEM_FAIL_COLLECTING] = true,
		[PYMEM_FAIL_CANCELLED] = false,
	};
	const struct load_options *o = c->job->options;

	if (o->method != LOAD_METHOD_AUTO || o->no_fork ||
	    c->method == LOAD_METHOD_EXTERNAL)
		return false;
	if (!c->injected)
		return c->error.code < sizeof(by_error) / sizeof(*by_error) &&
			by_error[c->error.code];
	if (c->got.gone || c->job->part->state.objects > 0)
		return false;
	if (c->got.stop == RECEIVE_GIL || c->got.stop == RECEIVE_NO_HELLO)
		return true;
	return c->got.failed && c->got.fail < sizeof(by_fail) / sizeof(*by_fail) &&
		by_fail[c->got.fail];
}

/*
 * A frozen copy is of any moment.  In the middle of a collection the collector's lists
 * aren't what they are else, or can't even be found, as in an interpreter that isn't
 * supported: then another is made, a while later.
 */
static bool capture_try_another_moment(struct capture *c)
{
	const struct receive_result *got = &c->got;
	struct pollfd p = { c->job->cancel_fd, POLLIN, 0 };
	int pause_ms;

	if (c->method != LOAD_METHOD_EXTERNAL || !c->injected || !got->failed ||
	    got->stop || got->gone || c->job->part->error ||
	    c->job->part->state.objects > 0 ||
	    (got->fail != PYMEM_FAIL_COLLECTING && got->fail != PYMEM_FAIL_UNSUPPORTED) ||
	    ++c->moments == MOMENTS_MAX)
		return false;
	capture_say(c, "a frozen copy of another moment, try %d", c->moments);
	c->ret->retries++;
	pause_ms = MOMENT_MS << c->moments;
	return poll(&p, 1, pause_ms < MOMENT_MAX_MS ? pause_ms : MOMENT_MAX_MS) <= 0;
}

static void capture_run_tries(struct capture *c)
{
	char text[1024];

	for (int i = 0; i < TRIES_MAX && !capture_cancelled(c); i++) {
		while (capture_try_once(c) &&
		       (capture_try_another_moment(c) ||
			(capture_skip_crashed(c) && ++i < TRIES_MAX)) &&
		       !capture_cancelled(c))
			;
		if (c->injected)
			capture_take_numbers(c);
		if (capture_cancelled(c) || !capture_copy_may_work(c))
			return;
		capture_words_error(c->injected ? NULL : &c->error, &c->got, c->job, text,
				    sizeof(text));
		capture_note(c->ret,
			     "the agent's way failed, so a frozen copy was walked");
		capture_note(c->ret, text);
		c->method = LOAD_METHOD_EXTERNAL;
	}
}

static void capture_judge(struct capture *c)
{
	struct capture_result *ret = c->ret;
	struct part *part = c->job->part;
	/* Nothing of a heap came from somebody who sends what no agent sends. */
	const bool nonsense = part->state.objects == 0 &&
		(c->got.stop == RECEIVE_STREAM || c->got.stop == RECEIVE_FLOOD);

	if (part->state.ended && !part->error)
		ret->status = CAPTURE_COMPLETE;
	else if (part->written > 0 && part->state.blocks > 0 && !part->error && !nonsense)
		ret->status = CAPTURE_PARTIAL;
	else
		ret->status = CAPTURE_FAILED;
	ret->cancelled = ret->status != CAPTURE_COMPLETE &&
		(capture_cancelled(c) || c->got.stop == RECEIVE_CANCELLED);
	if (ret->status != CAPTURE_COMPLETE)
		capture_words_error(c->injected ? NULL : &c->error, &c->got, c->job,
				    ret->error, sizeof(ret->error));
	capture_note(ret, c->got.doubt);
	if (!ret->consistent && ret->status != CAPTURE_FAILED)
		capture_note(ret,
			     "best effort: a thread may have been changing objects when "
			     "the copy "
			     "was made");
}

void capture_run(const struct capture_job *job, struct capture_result *ret)
{
	struct capture c = { .job = job, .ret = ret, .method = job->plan->method };

	assert(job->plan && job->part && job->agent);
	*ret = (struct capture_result){ .pid = job->pid, .parent = job->plan->parent };
	snprintf(ret->python, sizeof(ret->python), "%s", job->plan->python);
	snprintf(ret->name, sizeof(ret->name), "%s", job->plan->name);
	ret->free_threaded = job->plan->free_threaded;
	ret->predicted_pause_ns = job->plan->pause_ns;
	ret->rss = job->plan->rss;
	ret->pss = job->plan->pss;
	ret->private = job->plan->private;
	capture_fill_inject(&c);
	capture_run_tries(&c);
	capture_clear_away(&c);
	capture_judge(&c);
	if (ret->status != CAPTURE_FAILED) {
		const int r = capture_facts_finish(job->part, ret);

		if (r < 0) {
			job->part->error = r;
			ret->status = CAPTURE_FAILED;
			capture_words_error(NULL, &c.got, job, ret->error,
					    sizeof(ret->error));
		}
	}
	ret->bytes = job->part->written;
}
