/* SPDX-License-Identifier: MIT */
/* shot - see taking.h. */
#include "agent/trigger/shot.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/base/busy.h"
#include "agent/base/sys.h"
#include "agent/base/text.h"
#include "agent/trigger/output.h"
#include "formats/writer.h"

enum { SHOT_PATIENCE_S = 120 };

/* One at a time, guarded by busy_claim(). */
static struct {
	struct pymem_start start;
	struct output output;
	int message_fd; /* our end of the capture's control channel */
	char error[PYMEM_MSG_TEXT_MAX + 1];
	char phase[128];
	char crashed[256];    /* type whose traversal crashed, "" = none */
	bool killed;	      /* the copy, by SIGKILL */
	volatile bool ending; /* the process runs its destructors */
} taking = { .output = { .file = -1, .socket = -1 }, .message_fd = -1 };

void shot_say(const char *sentence, const char *detail)
{
	char buf[1024];
	struct text t;

	text_init(&t, buf, sizeof(buf) - 1);
	text_str(&t, "pymem: ");
	text_str(&t, sentence);
	if (detail && detail[0]) {
		text_str(&t, ": ");
		text_str(&t, detail);
	}
	buf[t.used++] = '\n';
	sys_write(2, buf, t.used);
}

static void shot_message(const struct pymem_msg *msg, const char *text)
{
	struct text t;

	if (msg->type == PYMEM_MSG_PHASE) {
		text_init(&t, taking.phase, sizeof(taking.phase));
		text_str(&t, text);
	} else if (msg->type == PYMEM_MSG_FAILED) {
		text_init(&t, taking.error, sizeof(taking.error));
		if (msg->a != PYMEM_FAIL_NOT_READY) /* it is ending: nobody's mistake */
			text_str(&t, text);
	} else if (msg->type == PYMEM_MSG_CRASH) {
		text_init(&t, taking.crashed, sizeof(taking.crashed));
		text_str(&t, text);
		text_init(&t, taking.error, sizeof(taking.error));
		text_str(&t, "the walk crashed (signal ");
		text_u64(&t, msg->a);
		text_str(&t, text[0] ? ") in an object of type " : ") in phase ");
		text_str(&t, text[0] ? text : taking.phase);
	}
}

/* Reads what the capture had to say; the messages of one fit in the socket. */
static void shot_listen(void)
{
	static char buf[sizeof(struct pymem_msg) + PYMEM_MSG_TEXT_MAX + 1];
	const long least = sizeof(struct pymem_msg);
	struct pymem_msg msg;
	long n;

	while ((n = sys_read(taking.message_fd, buf, sizeof(buf) - 1)) >= least) {
		memcpy(&msg, buf, sizeof(msg));
		buf[n] = '\0';
		shot_message(&msg, buf + sizeof(msg));
	}
}

static void shot_prepare(const struct trigger_config *config, const struct shot *how,
			 int control_fd)
{
	struct pymem_start *s = &taking.start;

	memset(s, 0, offsetof(struct pymem_start, skip_types));
	s->version = PYMEM_START_VERSION;
	s->size = sizeof(*s);
	s->flags = config->values ? 0 : PYMEM_START_NO_VALUES;
	s->value_limit = config->values;
	s->control_fd = control_fd;
	s->command_fd = -1;
	s->stream_fd =
		taking.output.file >= 0 ? taking.output.file : taking.output.socket;
	if (how->context == CAPTURE_HOLDING) /* the program waits: not for ever */
		s->child_timeout_s = SHOT_PATIENCE_S;
	sys3(SYS_getrandom, &s->seed, sizeof(s->seed), 0);
	taking.error[0] = taking.crashed[0] = '\0';
	taking.killed = false;
}

/* What is known only after the copy was made and has ended. */
static int shot_append_facts(const struct capture *c, const char *why)
{
	const struct snap_fact facts[] = {
		{ .key = "trigger",
		  .kind = SNAP_FACT_TEXT,
		  .text = why,
		  .size = strlen(why) },
		{ .key = "gil_held_ns", .kind = SNAP_FACT_U64, .u64 = c->gil_held_ns },
		{ .key = "fork_ns", .kind = SNAP_FACT_U64, .u64 = c->fork_ns },
	};
	static char buf[4096];
	const long n = snap_facts_block(buf, sizeof(buf), facts,
					sizeof(facts) / sizeof(facts[0]));

	return n < 0 ? (int)n : output_append(&taking.output, buf, (size_t)n);
}

/* One capture into the open output. 0 when the stream is whole. */
static int shot_capture(const struct trigger_config *config, const struct shot *how)
{
	struct capture capture;
	int pair[2], rc;

	rc = (int)sys4(SYS_socketpair, AF_UNIX,
		       SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
	if (rc < 0)
		return rc;
	taking.message_fd = output_high_fd(pair[0]);
	shot_prepare(config, how, output_high_fd(pair[1]));
	capture_open(&capture, &taking.start, how->context);
	control_one_way(&capture.control);
	if (taking.output.file >= 0 && taking.output.socket >= 0)
		owned_fd_set(&capture.stream.fd[1], taking.output.socket);
	capture.waiting = how->waiting;
	capture.stand_still = how->stand_still;
	rc = capture_run(&capture);
	taking.killed =
		WIFSIGNALED(capture.status) && WTERMSIG(capture.status) == SIGKILL;
	shot_listen();
	if (!rc)
		rc = shot_append_facts(&capture, how->why);
	control_close(&capture.control); /* the stream's fds are the output's */
	sys_close(taking.message_fd);
	taking.message_fd = -1;
	return rc;
}

/* The type that crashed joins the list of those not to be traversed. */
static bool shot_skip_crashed(void)
{
	char *list = taking.start.skip_types;
	const size_t length = strlen(taking.crashed);

	if (!length || length + 2 > sizeof(taking.start.skip_types))
		return false;
	memcpy(list, taking.crashed, length + 1);
	list[length + 1] = '\0';
	return true;
}

static int shot_try(const struct trigger_config *config, const struct shot *how)
{
	char err[128];
	const struct cpython *py = cpython_bind(err, sizeof(err));
	int rc;

	if (taking.ending ||
	    (py && how->context == CAPTURE_WORKER && cpython_finalizing(py)))
		return -ESHUTDOWN;
	rc = output_open(config, &taking.output);
	if (rc < 0) {
		shot_say("no snapshot", "its file or socket cannot be opened");
		return rc;
	}
	rc = shot_capture(config, how);
	if (!rc) {
		rc = output_commit(config, &taking.output);
		if (rc)
			shot_say("no snapshot", "the file could not be completed");
		return rc;
	}
	output_abandon(&taking.output);
	return -EIO;
}

int shot_take(const struct trigger_config *config, const struct shot *how)
{
	struct shot again = *how;
	int rc;

	if (!busy_claim())
		return -EBUSY;
	memset(taking.start.skip_types, 0, sizeof(taking.start.skip_types));
	memset(taking.start.probes, 0, sizeof(taking.start.probes));
	memcpy(taking.start.magic, PYMEM_START_MAGIC, sizeof(taking.start.magic));
	rc = shot_try(config, how);
	if (rc == -EIO && (shot_skip_crashed() || taking.killed)) {
		again.stand_still |= taking.killed;
		rc = shot_try(config, &again);
	}
	if (rc == -EIO && taking.error[0])
		shot_say("no snapshot", taking.error);
	busy_release();
	return rc;
}

void shot_exit(void)
{
	taking.ending = true;
	__sync_synchronize();
	if (taking.output.part[0])
		sys3(SYS_unlinkat, AT_FDCWD, taking.output.part, 0);
}

void shot_forget(void)
{
	output_forget(&taking.output);
	if (taking.message_fd >= 0) {
		sys_close(taking.message_fd);
		if (taking.start.control_fd >= 0)
			sys_close(taking.start.control_fd);
	}
	taking.message_fd = -1;
}
