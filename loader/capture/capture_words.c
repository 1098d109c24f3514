/* SPDX-License-Identifier: MIT */
/* capture_words - see capture_words.h. */
#include "loader/capture/capture_words.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "formats/text/escape.h"
#include "loader/target/gil_holder.h"
#include "loader/target/limits.h"
#include "loader/target/maps.h"
#include "loader/target/process.h"
#include "loader/target/target.h"
#include "loader/base/amount.h"

const char *capture_words_status(uint32_t status)
{
	return status == CAPTURE_COMPLETE ? "complete" :
		status == CAPTURE_PARTIAL ? "partial" :
					    "failed";
}

/* What helps against the agent's own failures; NULL: its sentence says all. */
static const char *const fail_remedies[] = {
	[PYMEM_FAIL_NOT_READY] =
		"try again when the program has started, or --method=external",
	[PYMEM_FAIL_COLLECTING] = "try again, or --method=external",
	[PYMEM_FAIL_FORK] = "--no-fork walks in the process itself, without a copy",
	[PYMEM_FAIL_BUSY] = "wait for the other capture to end",
};

static const char *capture_words_remedy_of(uint32_t fail)
{
	return fail < sizeof(fail_remedies) / sizeof(*fail_remedies) ?
		fail_remedies[fail] :
		NULL;
}

static void capture_words_thread_name(pid_t pid, int tid, char *ret, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)pid, tid);
	char *text = process_read_text(path, 256, NULL);
	if (text)
		text[strcspn(text, "\n")] = '\0';
	escape_copy(ret, size, text ? text : "?", text ? strlen(text) : 1);
	free(text);
}

void capture_words_gil_holder(pid_t pid, char *ret, size_t size)
{
	struct target target;
	struct load_error err;
	char name[64];

	*ret = '\0';
	if (target_open(pid, false, &target, &err) < 0)
		return;
	const pid_t holder = gil_holder(&target);
	target_close(&target);
	if (!holder)
		return;
	capture_words_thread_name(pid, holder, name, sizeof(name));
	snprintf(ret, size, "thread %d (%s)", (int)holder, name);
}

static void capture_words_gil_words(const struct receive_result *got,
				    const struct capture_job *job, char *ret, size_t size)
{
	const char *holder = got->gil_holder, *text = got->failed ? got->fail_text : "";
	char t[24];

	snprintf(ret, size,
		 "the GIL was not obtained within %s%s%s%s%s; a longer --gil-timeout "
		 "or --method=external may work",
		 amount_time(t, job->options->gil_timeout_ns),
		 holder[0] ? ": it is held by " : "", holder, text[0] ? ": " : "", text);
}

static void capture_words_crash_words(const struct receive_result *got, pid_t pid,
				      char *ret, size_t size)
{
	char type[300];

	if (got->crash_signal == SIGSEGV &&
	    maps_is_kept_from_copies(pid, got->crash_address)) {
		snprintf(ret, size,
			 "the process keeps memory with Python objects from its copies "
			 "(MADV_DONTFORK, at %#" PRIx64
			 "); --no-fork walks without a copy",
			 got->crash_address);
		return;
	}

	escape_copy(type, sizeof(type), got->crash_type, strlen(got->crash_type));
	if (got->crash_signal == SIGALRM) {
		snprintf(ret, size,
			 "the copy hung while it walked %s%s; the process itself is "
			 "untouched",
			 *type ? "an object of type " : "objects", type);
		return;
	}
	snprintf(ret, size,
		 "the copy was ended by signal %" PRIu64 " (%s) while it walked %s%s; "
		 "the process itself is untouched",
		 got->crash_signal, strsignal((int)got->crash_signal),
		 *type ? "an object of type " : "objects", type);
}

static void capture_words_child_words(const struct receive_result *got, char *ret,
				      size_t size)
{
	const int status = got->child_status;

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		snprintf(
			ret, size,
			"the copy was ended by the process's seccomp filter, at a system "
			"call that it forbids (SIGSYS); the process itself is untouched");
	else if (WIFSIGNALED(status))
		snprintf(ret, size,
			 "the copy was killed by signal %d (%s) before it was done%s; "
			 "the process itself is untouched",
			 WTERMSIG(status), strsignal(WTERMSIG(status)),
			 WTERMSIG(status) == SIGKILL ?
				 ", perhaps because memory ran out" :
				 "");
	else
		snprintf(ret, size,
			 "the copy ended with status %d before it was done; the "
			 "process itself is untouched",
			 WEXITSTATUS(status));
}

/* Why the output could not be written. */
static const char *capture_words_output(const struct part *part)
{
	switch (-part->error) {
	case 0:
		return "unknown reason";
	case EOWNERDEAD:
		return "the process that checks and writes it ended unexpectedly";
	case ETIMEDOUT:
		return "the disk (or who reads it) took longer than --timeout";
	case ECANCELED:
		return "cancelled";
	default:
		return strerror(-part->error);
	}
}

/* Why we stopped it. False: we didn't. */
static bool capture_words_stop_words(const struct receive_result *got,
				     const struct capture_job *job, char *ret,
				     size_t size)
{
	char a[24];
	const char *reason = capture_words_output(job->part);

	switch (got->stop) {
	case RECEIVE_FINISHED:
		return false;
	case RECEIVE_NO_HELLO:
		snprintf(ret, size,
			 "the agent was loaded but did not start within 2 s; is the "
			 "process stopped or the machine overloaded?");
		break;
	case RECEIVE_GIL:
		capture_words_gil_words(got, job, ret, size);
		break;
	case RECEIVE_TIMEOUT:
		snprintf(ret, size, "not done after %s (--timeout)%s%s",
			 amount_time(a, job->options->timeout_ns),
			 got->phase[0] ? ", while " : "", got->phase);
		break;
	case RECEIVE_CANCELLED:
		snprintf(ret, size, "cancelled");
		break;
	case RECEIVE_MEMORY:
		snprintf(ret, size,
			 "the copy was killed because only %s of memory were left in "
			 "%.300s; --no-fork needs less",
			 amount_bytes(a, got->free_bytes), got->where);
		break;
	case RECEIVE_OUTPUT:
		snprintf(ret, size, "cannot write the snapshot: %s", reason);
		break;
	case RECEIVE_BROKEN:
		snprintf(ret, size,
			 "the agent's channel could not be read: %s; try again",
			 strerror(got->error));
		break;
	case RECEIVE_FLOOD:
		snprintf(ret, size,
			 "the agent sent more than a process of this size has to tell; "
			 "does the process answer in the agent's place?");
		break;
	case RECEIVE_STREAM:
		snprintf(ret, size,
			 "what the agent sent is not a snapshot this program knows: "
			 "are both of one version?");
		break;
	}
	return true;
}

/* Its memory has: with it, or at an exec. */
static void capture_words_gone(pid_t pid, char *ret, size_t size)
{
	struct load_error ignored;
	struct process now;

	if (process_read(pid, &now, &ignored) == 0 && now.live_tid)
		snprintf(ret, size,
			 "the process started another program (exec) during the capture: "
			 "try again");
	else
		snprintf(ret, size, "the process ended during the capture");
}

void capture_words_error(const struct load_error *error, const struct receive_result *got,
			 const struct capture_job *job, char *ret, size_t size)
{
	if (job->part->error) {
		snprintf(ret, size, "cannot write the snapshot: %s",
			 capture_words_output(job->part));
	} else if (error && error->code != LOAD_OK) {
		escape_copy(ret, size, error->text, strlen(error->text));
	} else if (error) {
		snprintf(ret, size, "cancelled");
	} else if (capture_words_stop_words(got, job, ret, size)) {
		return;
	} else if (got->gone) {
		capture_words_gone(job->pid, ret, size);
	} else if (got->crashed) {
		capture_words_crash_words(got, job->pid, ret, size);
	} else if (got->failed && got->fail == PYMEM_FAIL_GIL) {
		capture_words_gil_words(got, job, ret, size);
	} else if (got->failed) {
		const char *remedy = capture_words_remedy_of(got->fail);
		char limits[200];

		if (remedy && strstr(got->fail_text, "--no-fork"))
			remedy = NULL; /* it is named already */
		if (got->fail == PYMEM_FAIL_MEMORY && got->fail_b == EAGAIN)
			remedy = "is a limit of tasks reached (pids.max, ulimit -u)?";
		else if (got->fail == PYMEM_FAIL_MEMORY &&
			 *limits_words(job->pid, limits, sizeof(limits)))
			remedy = limits;
		snprintf(ret, size, "%s%s%s",
			 got->fail_text[0] ? got->fail_text :
					     "the agent failed without a reason",
			 remedy ? "; " : "", remedy ? remedy : "");
	} else if (got->child && got->child_status != 0) {
		capture_words_child_words(got, ret, size);
	} else {
		snprintf(ret, size, "the agent hung up before the end of the snapshot");
	}
}
