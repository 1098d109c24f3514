/* SPDX-License-Identifier: MIT */
/* trigger_capture - see trigger_capture.h. */
#include "agent/trigger/trigger_capture.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/base/invariant.h"
#include "agent/base/busy.h"
#include "agent/snap/driver.h"
#include "agent/base/sys.h"
#include "agent/base/phrase.h"
#include "agent/trigger/destination.h"
#include "agent/trigger/manner.h"
#include "agent/trigger/notice.h"
#include "agent/trigger/room.h"
#include "agent/trigger/viewer_process.h"
#include "formats/core/writer.h"

enum {
	CAPTURE_PATIENCE_S = 120,
	CAPTURE_STALL_MS = 10000, /* for a reader that takes nothing: it may be dead */
	CAPTURE_TRIES = 5,
};

/* One at a time, guarded by busy_claim(). */
static struct {
	struct pymem_start start;
	struct destination destination;
	int message_fd; /* our end of the capture's control channel */
	char error[PYMEM_MSG_TEXT_MAX + 1];
	char phase[128];
	char crashed[256]; /* type whose traversal crashed, "" = none */
	bool killed;	   /* the copy, by SIGKILL */
	uint32_t failed;   /* enum pymem_fail; 0 = nothing was said */
	enum manner manner;
	bool beside;	  /* nothing can be held still: a copy, made beside the program */
	uint64_t room;	  /* bytes, when that was chosen */
	uint64_t objects; /* of the last walk */
	bool early_said;  /* "still being made", of the summary that is made now */
	volatile bool ending; /* the process runs its destructors */
} triggered = { .destination = { .file = -1, .socket = -1 }, .message_fd = -1 };

/* The output takes no more: what was written is of no use, and may be in the way. */
static void trigger_capture_unwritable(const char *what, long rc)
{
	struct phrase t;

	triggered.failed = PYMEM_FAIL_STREAM;
	phrase_init(&t, triggered.error, sizeof(triggered.error));
	phrase_str(&t, what);
	phrase_str(&t, ": ");
	notice_cause(&t, rc);
}

static void trigger_capture_message(const struct pymem_msg *msg, const char *text)
{
	struct phrase t;

	if (msg->type == PYMEM_MSG_PHASE) {
		phrase_init(&t, triggered.phase, sizeof(triggered.phase));
		phrase_str(&t, text);
	} else if (msg->type == PYMEM_MSG_WALKED) {
		triggered.objects = msg->a;
	} else if (msg->type == PYMEM_MSG_FAILED) {
		triggered.failed = (uint32_t)msg->a;
		phrase_init(&t, triggered.error, sizeof(triggered.error));
		if (msg->a != PYMEM_FAIL_NOT_READY) /* it is ending: nobody's mistake */
			phrase_str(&t, text);
		if (msg->a == PYMEM_FAIL_STREAM && msg->b)
			trigger_capture_unwritable(text, -(long)msg->b);
	} else if (msg->type == PYMEM_MSG_CRASH) {
		phrase_init(&t, triggered.crashed, sizeof(triggered.crashed));
		phrase_str(&t, text);
		phrase_init(&t, triggered.error, sizeof(triggered.error));
		phrase_str(&t, "the walk crashed (signal ");
		phrase_u64(&t, msg->a);
		phrase_str(&t, text[0] ? ") in an object of type " : ") in phase ");
		phrase_str(&t, text[0] ? text : triggered.phase);
	}
}

/* Reads what the capture had to say; the messages of one fit in the socket. */
static void trigger_capture_listen(void)
{
	static char buf[sizeof(struct pymem_msg) + PYMEM_MSG_TEXT_MAX + 1];
	const long least = sizeof(struct pymem_msg);
	struct pymem_msg msg;
	long n;

	while ((n = sys_read(triggered.message_fd, buf, sizeof(buf) - 1)) >= least) {
		memcpy(&msg, buf, sizeof(msg));
		buf[n] = '\0';
		trigger_capture_message(&msg, buf + sizeof(msg));
	}
}

static void trigger_capture_prepare(const struct trigger_config *config,
				    const struct trigger_cause *how, int control_fd)
{
	struct pymem_start *s = &triggered.start;

	memset(s, 0, offsetof(struct pymem_start, skip_types));
	s->version = PYMEM_START_VERSION;
	s->size = sizeof(*s);
	s->flags = config->values ? 0 : PYMEM_START_NO_VALUES;
	if (triggered.manner >= MANNER_IN_PLACE) {
		s->flags |= PYMEM_START_NO_FORK;
		s->max_memory = triggered.room;
	}
	s->value_limit = config->values;
	s->control_fd = control_fd;
	s->command_fd = -1;
	s->stream_fd = triggered.destination.file >= 0 ? triggered.destination.file :
							 triggered.destination.socket;
	if (how->context == JOB_HOLDING) /* the program waits: not for ever */
		s->child_timeout_s = CAPTURE_PATIENCE_S;
	sys3(SYS_getrandom, &s->seed, sizeof(s->seed), 0);
	triggered.error[0] = triggered.crashed[0] = '\0';
	triggered.killed = false;
	triggered.failed = 0;
	triggered.objects = 0;
}

/* What is known only after the copy was made and has ended. */
static int trigger_capture_append_facts(const struct job *c, const char *why)
{
	const struct snap_fact facts[] = {
		{ .key = "trigger",
		  .kind = SNAP_FACT_TEXT,
		  .text = why,
		  .size = strlen(why) },
		{ .key = "trigger.manner",
		  .kind = SNAP_FACT_TEXT,
		  .text = manner_name(triggered.manner),
		  .size = strlen(manner_name(triggered.manner)) },
		{ .key = "trigger.room", .kind = SNAP_FACT_U64, .u64 = triggered.room },
		{ .key = "gil_held_ns", .kind = SNAP_FACT_U64, .u64 = c->gil_held_ns },
		{ .key = "fork_ns", .kind = SNAP_FACT_U64, .u64 = c->fork_ns },
	};
	static char buf[4096];
	const long n = snap_facts_block(buf, sizeof(buf), facts,
					sizeof(facts) / sizeof(facts[0]));

	return n < 0 ? (int)n :
		       destination_append(&triggered.destination, buf, (size_t)n);
}

/* No memory for a copy: the program had to wait, and is told so. */
static void trigger_capture_say_pause(uint64_t ns)
{
	char buf[64];
	struct phrase t;

	phrase_init(&t, buf, sizeof(buf));
	phrase_str(&t, "the program stood still for ");
	phrase_u64(&t, ns / 1000000);
	phrase_str(&t, " ms");
	notice_say(triggered.manner == MANNER_SUMMARY ?
			   "no memory for a walk, a summary was taken" :
			   "no memory for a copy, the snapshot was taken in place",
		   buf);
}

/* One capture into the open destination. 0 when the stream is whole. */
static int trigger_capture_run(const struct trigger_config *config,
			       const struct trigger_cause *how)
{
	struct job job;
	int pair[2], rc;

	rc = (int)sys4(SYS_socketpair, AF_UNIX,
		       SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
	if (rc < 0)
		return rc;
	INVARIANT(triggered.message_fd < 0);
	triggered.message_fd = destination_high_fd(pair[0]);
	trigger_capture_prepare(config, how, destination_high_fd(pair[1]));
	job_open(&job, &triggered.start, how->context);
	control_channel_one_way(&job.control);
	if (triggered.destination.file >= 0 && triggered.destination.socket >= 0)
		owned_fd_set(&job.stream.fd[1], triggered.destination.socket);
	if (triggered.destination.stream || triggered.destination.socket >= 0)
		job.stream.stall_ms = CAPTURE_STALL_MS;
	job.waiting = how->waiting;
	job.stand_still = !triggered.beside &&
		(how->stand_still || triggered.manner == MANNER_STILL);
	job.summary = triggered.manner == MANNER_SUMMARY;
	rc = driver_run(&job);
	triggered.killed = WIFSIGNALED(job.status) && WTERMSIG(job.status) == SIGKILL;
	trigger_capture_listen();
	if (!rc) {
		rc = trigger_capture_append_facts(&job, how->why);
		if (rc < 0)
			trigger_capture_unwritable("the snapshot could not be written",
						   rc);
	}
	if (!rc && triggered.manner >= MANNER_IN_PLACE)
		trigger_capture_say_pause(job.gil_held_ns);
	control_channel_close(&job.control); /* the stream's fds are the destination's */
	sys_close(triggered.message_fd);
	triggered.message_fd = -1;
	return rc;
}

/* The type that crashed joins the list of those not to be traversed. */
static bool trigger_capture_skip_crashed(void)
{
	char *list = triggered.start.skip_types;
	const size_t length = strlen(triggered.crashed);

	if (!length || length + 2 > sizeof(triggered.start.skip_types))
		return false;
	memcpy(list, triggered.crashed, length + 1);
	list[length + 1] = '\0';
	return true;
}

static int trigger_capture_try(const struct trigger_config *config,
			       const struct trigger_cause *how)
{
	char err[128];
	const struct cpython *py = cpython_bind(err, sizeof(err));
	int rc;

	if (triggered.ending ||
	    (py && how->context == JOB_WORKER && cpython_finalizing(py)))
		return -ESHUTDOWN;
	rc = destination_open(config, &triggered.destination);
	if (rc < 0) {
		notice_say_cause("no snapshot: its file or socket cannot be opened",
				 triggered.destination.path, rc);
		return rc;
	}
	rc = trigger_capture_run(config, how);
	if (!rc) {
		rc = destination_commit(config, &triggered.destination);
		if (rc)
			notice_say_cause("no snapshot: the file could not be completed",
					 triggered.destination.path, rc);
		return rc;
	}
	destination_abandon(&triggered.destination,
			    triggered.failed == PYMEM_FAIL_STREAM);
	return -EIO;
}

/*
 * After a failure: true, and how to do it once more.  A copy that was killed was killed
 * for want of memory; what can't be held still (CPython 3.6 without a GIL, an interpreter
 * with one of its own) can be copied.
 */
static bool trigger_capture_otherwise(void)
{
	enum manner next = triggered.manner + 1;

	if (trigger_capture_skip_crashed())
		return true;
	if (triggered.failed == PYMEM_FAIL_GIL && !triggered.beside) {
		triggered.beside = true;
		triggered.manner = MANNER_COPY;
		return true;
	}
	if (triggered.manner == MANNER_SUMMARY ||
	    !(triggered.killed || triggered.failed == PYMEM_FAIL_MEMORY ||
	      triggered.failed == PYMEM_FAIL_FORK))
		return false;
	if (!triggered.killed && next == MANNER_STILL) /* as large a copy */
		next = MANNER_IN_PLACE;
	triggered.manner = manner_choose(next, &triggered.room);
	return true;
}

static int trigger_capture_tries(const struct trigger_config *config,
				 const struct trigger_cause *how)
{
	int rc;

	triggered.beside = false;
	triggered.manner = manner_choose(MANNER_COPY, &triggered.room);
	rc = trigger_capture_try(config, how);
	for (int tries = 1; rc == -EIO && tries < CAPTURE_TRIES; tries++) {
		if (!trigger_capture_otherwise())
			break;
		rc = trigger_capture_try(config, how);
	}
	return rc;
}

/* What PYMEM_OUTPUT asks for is made of the snapshot.  False: it isn't. */
static bool trigger_capture_begin_summary(const struct trigger_config *config)
{
	static const char stays[] = "no summary, its snapshot stays";
	const struct destination *const d = &triggered.destination;
	const uint64_t room = room_left();
	int rc;

	if (!d->summary[0] || triggered.manner == MANNER_SUMMARY ||
	    room < viewer_process_need(triggered.objects)) {
		if (d->summary[0])
			notice_say_cause(stays, d->path, -ENOMEM);
		return false;
	}
	rc = viewer_process_start(d->path, d->summary, room);
	triggered.early_said = false;
	if (rc < 0 && rc != -ENOENT) /* which was said when the program began */
		notice_say_cause(stays, config->viewer[0] ? config->viewer : d->path, rc);
	return rc == 0;
}

/* Why it couldn't, it says by itself, if it wasn't killed. */
static void trigger_capture_await_summary(const char *snapshot)
{
	if (viewer_process_await() && sys3(SYS_faccessat, AT_FDCWD, snapshot, F_OK) == 0)
		notice_say("no summary, its snapshot stays", snapshot);
}

/* The summary before has its snapshot under the name that this one may get. */
static bool trigger_capture_is_early(const struct trigger_config *config)
{
	if (!config->summary || !viewer_process_runs())
		return false;
	if (!triggered.early_said)
		notice_say("no snapshot: the summary of the one before is still being "
			   "made",
			   NULL);
	triggered.early_said = true;
	return true;
}

int trigger_capture_take(const struct trigger_config *config,
			 const struct trigger_cause *how)
{
	char snapshot[DESTINATION_PATH];
	bool begun;
	int rc;

	if (!busy_claim())
		return -EBUSY;
	if (trigger_capture_is_early(config)) {
		busy_release();
		return -EDQUOT;
	}
	if (!allowance_take(config, how->cause)) {
		busy_release();
		return -EDQUOT;
	}
	memset(triggered.start.skip_types, 0, sizeof(triggered.start.skip_types));
	memset(triggered.start.probes, 0, sizeof(triggered.start.probes));
	memcpy(triggered.start.magic, PYMEM_START_MAGIC, sizeof(triggered.start.magic));
	rc = trigger_capture_tries(config, how);
	if (rc == -EIO && triggered.error[0])
		notice_say("no snapshot", triggered.error);
	begun = !rc && trigger_capture_begin_summary(config);
	if (begun)
		memcpy(snapshot, triggered.destination.path, sizeof(snapshot));
	manner_reserve(config);
	busy_release();
	if (begun && !how->hurried)
		trigger_capture_await_summary(snapshot);
	return rc;
}

void trigger_capture_exit(void)
{
	triggered.ending = true;
	__sync_synchronize();
	if (triggered.destination.part[0])
		sys3(SYS_unlinkat, AT_FDCWD, triggered.destination.part, 0);
}

void trigger_capture_forget(void)
{
	destination_forget(&triggered.destination);
	if (triggered.message_fd >= 0) {
		sys_close(triggered.message_fd);
		if (triggered.start.control_fd >= 0)
			sys_close(triggered.start.control_fd);
	}
	triggered.message_fd = -1;
}
