/* SPDX-License-Identifier: MIT */
/* driver - see driver.h. */
#include "agent/snap/driver.h"

#include "agent/snap/copy.h"
#include "agent/snap/copy_life.h"
#include "agent/snap/emit.h"
#include "agent/snap/forked.h"
#include "agent/snap/gil.h"
#include "agent/snap/own_gil.h"
#include "agent/snap/reserve.h"
#include "agent/base/invariant.h"
#include "agent/base/sys.h"
#include "agent/base/phrase.h"

static int driver_bind(struct job *job)
{
	char err[256] = "";

	job->py = cpython_bind(err, sizeof(err));
	if (!job->py)
		return job_fail(job, PYMEM_FAIL_NOT_PYTHON, 0, err);
	/* one that is shutting down no longer counts as initialised */
	if (cpython_finalizing(job->py) && job->context == JOB_WORKER)
		return job_fail(job, PYMEM_FAIL_NOT_READY, 0,
				"the interpreter is shutting down");
	if (!cpython_initialized(job->py) && !cpython_finalizing(job->py))
		return job_fail(job, PYMEM_FAIL_NOT_READY, 0,
				"the interpreter is not initialised yet");
	return 0;
}

/* The walk where we stand, the interpreter held still by the caller. */
static int driver_in_place(struct job *job)
{
	struct emit_result result;
	char err[256] = "";
	int rc;

	if (job->not_stopped)
		return job_fail(
			job, PYMEM_FAIL_GIL, 0,
			"another interpreter of the process, with a GIL of its own or "
			"none, was not stopped in time; only a copy of it can be made");
	reserve_release();
	job->stream.check = true;
	job->stream.stall_ms = 5000; /* the GIL is held: no longer wait for a receiver */
	job->stream.control = &job->control;
	rc = emit_snapshot(job, false, &result, err, sizeof(err));
	if (rc == -EAGAIN)
		return 1;
	if (rc == -ECANCELED)
		return job_fail(job, PYMEM_FAIL_CANCELLED, 0,
				"cancelled during the walk");
	if (rc < 0)
		return job_fail(job, emit_reason(rc), -rc, err);
	control_channel_send(&job->control, PYMEM_MSG_WALKED, result.objects,
			     result.edges, result.walk_ns, 0, result.doubt);
	return 0;
}

static int driver_copy_and_wait(struct job *job)
{
	const int rc = copy_make(job);

	return rc ? rc : copy_wait(job);
}

static const struct gil_action in_place_walk = { driver_in_place, NULL };
static const struct gil_action standing_copy = { driver_copy_and_wait, NULL };
static const struct gil_action copy = { copy_make, copy_wait };

/* At a good moment, again while that moment is inside a collection. */
static int driver_moments(struct job *job)
{
	const bool in_place = job->start->flags & PYMEM_START_NO_FORK;
	const struct gil_action *const action = in_place ? &in_place_walk :
		job->stand_still			 ? &standing_copy :
							   &copy;
	unsigned pause_ms = 1;
	int rc, tries = 0;

	INVARIANT(job->py && job->context != JOB_EXTERNAL);
	for (;;) {
		rc = gil_with(job, action);
		if (rc < 0)
			return rc;
		if (job->copy)
			rc = copy_wait(job);
		if (rc <= 0)
			return rc;
		if (++tries == 12)
			return job_fail(job, PYMEM_FAIL_COLLECTING, 0,
					"a garbage collection, or the interpreter's "
					"start, was going "
					"on whenever we looked");
		if (control_channel_cancelled(&job->control, (int)pause_ms))
			return job_fail(job, PYMEM_FAIL_CANCELLED, 0, "cancelled");
		pause_ms = pause_ms < 500 ? pause_ms * 2 : 500;
	}
}

int driver_run(struct job *job)
{
	int rc;

	control_channel_send(&job->control, PYMEM_MSG_HELLO, PYMEM_START_VERSION,
			     (uint64_t)sys_gettid(), (uint64_t)job->pid, 0, NULL);
	if (job->context == JOB_EXTERNAL) {
		if (!driver_bind(job)) {
			/* the loader has made the copy take it */
			job->gil_holder = OWN_GIL_UNKNOWN;
			copy_life_walk(job);
		}
		return -1;
	}
	rc = driver_bind(job);
	if (rc)
		return rc;
	if (job->context == JOB_WORKER)
		forked_note(job);
	job->gil_holder = own_gil_holder(job->py);
	rc = driver_moments(job);
	forked_forget(job);
	return rc;
}
