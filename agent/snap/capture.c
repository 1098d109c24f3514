/* SPDX-License-Identifier: MIT */
/* capture - see capture.h. */
#include "agent/snap/capture.h"

#include <string.h>

#include "agent/snap/child.h"
#include "agent/snap/emit.h"
#include "agent/snap/gil.h"
#include "agent/snap/own_gil.h"
#include "agent/base/sys.h"
#include "agent/base/text.h"

void capture_open(struct capture *c, const struct pymem_start *start,
		  enum capture_context context)
{
	memset(c, 0, sizeof(*c));
	c->start = start;
	c->context = context;
	c->pid = context == CAPTURE_IN_COPY ? (int)sys0(SYS_getppid) : sys_getpid();
	control_open(&c->control, start->control_fd, start->command_fd, start->nonce);
	stream_open(&c->stream, start->stream_fd, -1);
}

void capture_close(struct capture *c)
{
	stream_close(&c->stream);
	control_close(&c->control);
}

int capture_fail(struct capture *c, uint32_t reason, int64_t errno_value,
		 const char *sentence)
{
	c->failed = reason;
	control_fail(&c->control, reason, errno_value, sentence);
	return -1;
}

static int capture_bind(struct capture *c)
{
	char err[256] = "";

	c->py = cpython_bind(err, sizeof(err));
	if (!c->py)
		return capture_fail(c, PYMEM_FAIL_NOT_PYTHON, 0, err);
	/* one that is shutting down no longer counts as initialised */
	if (cpython_finalizing(c->py) && c->context == CAPTURE_WORKER)
		return capture_fail(c, PYMEM_FAIL_NOT_READY, 0,
				    "the interpreter is shutting down");
	if (!cpython_initialized(c->py) && !cpython_finalizing(c->py))
		return capture_fail(c, PYMEM_FAIL_NOT_READY, 0,
				    "the interpreter is not initialised yet");
	return 0;
}

/* The walk where we stand, the interpreter held still by the caller. */
static int capture_in_place(struct capture *c)
{
	struct emit_result result;
	char err[256] = "";
	int rc;

	if (c->not_stopped)
		return capture_fail(
			c, PYMEM_FAIL_GIL, 0,
			"another interpreter of the process has a GIL of its own and did "
			"not give it up in time; only a copy of it can be made");
	c->stream.check = true;
	c->stream.stall_ms = 5000; /* the GIL is held: no longer wait for a receiver */
	c->stream.control = &c->control;
	rc = emit_snapshot(c, false, &result, err, sizeof(err));
	if (rc == -EAGAIN)
		return 1;
	if (rc == -ECANCELED)
		return capture_fail(c, PYMEM_FAIL_CANCELLED, 0,
				    "cancelled during the walk");
	if (rc < 0)
		return capture_fail(c, emit_reason(rc), -rc, err);
	control_send(&c->control, PYMEM_MSG_WALKED, result.objects, result.edges,
		     result.walk_ns, 0, NULL);
	return 0;
}

static int copy_make_and_wait(struct capture *c)
{
	const int rc = copy_make(c);

	return rc ? rc : copy_wait(c);
}

/* At a good moment, again while that moment is inside a collection. */
static int capture_moments(struct capture *c)
{
	const bool in_place = c->start->flags & PYMEM_START_NO_FORK;
	gil_action *const action = in_place ? capture_in_place :
		c->stand_still		    ? copy_make_and_wait :
					      copy_make;
	unsigned pause_ms = 1;
	int rc, tries = 0;

	for (;;) {
		rc = gil_with(c, action);
		if (rc < 0)
			return rc;
		if (c->copy)
			rc = copy_wait(c);
		if (rc <= 0)
			return rc;
		if (++tries == 12)
			return capture_fail(
				c, PYMEM_FAIL_COLLECTING, 0,
				"a garbage collection was going on whenever we looked");
		if (control_cancelled(&c->control, (int)pause_ms))
			return capture_fail(c, PYMEM_FAIL_CANCELLED, 0, "cancelled");
		pause_ms = pause_ms < 500 ? pause_ms * 2 : 500;
	}
}

int capture_run(struct capture *c)
{
	int rc;

	control_send(&c->control, PYMEM_MSG_HELLO, PYMEM_START_VERSION,
		     (uint64_t)sys_gettid(), (uint64_t)c->pid, 0, NULL);
	if (c->context == CAPTURE_IN_COPY) {
		if (!capture_bind(c)) {
			/* the loader has made the copy take it */
			c->gil_holder = OWN_GIL_UNKNOWN;
			child_walk(c);
		}
		return -1;
	}
	rc = capture_bind(c);
	if (rc)
		return rc;
	c->gil_holder = own_gil_holder(c->py);
	return capture_moments(c);
}

void capture_done(const struct capture *c)
{
	control_send(&c->control, PYMEM_MSG_DONE, c->gil_held_ns, 0, 0, 0, NULL);
}
