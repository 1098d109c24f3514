/* SPDX-License-Identifier: MIT */
/*
 * pymem-load - takes a snapshot of a running CPython's heap.
 *
 * main reads the command line and leads to one of: a command that is started
 * with the agent in it (launch), a dry run, one capture of one or several
 * processes (session), or captures again and again (every).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "loader/capture/agent_file.h"
#include "formats/rights/rights.h"
#include "formats/rights/standard_fds.h"
#include "formats/text/print.h"
#include "loader/base/deadline.h"
#include "loader/base/foreground.h"
#include "loader/base/load_options.h"
#include "loader/base/warden.h"
#include "loader/command/choose.h"
#include "loader/command/every.h"
#include "loader/command/launch.h"
#include "loader/command/post_mortem.h"
#include "loader/command/progress_line.h"
#include "loader/command/session.h"
#include "loader/command/supervise.h"

enum { SAME_SIGNAL_MS = 200 };

static int cancel_pipe[2] = { -1, -1 };
static volatile sig_atomic_t cancel_signal;

/*
 * A second one counts on its own (inject_options.cancel_fd), but not if it is the same
 * that was sent to the whole process group, us and the warden, who passes it on.
 */
static void main_on_signal(int sig)
{
	static int64_t last[65];
	const int err = errno;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	const int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	const bool again = last[sig] && ms - last[sig] < SAME_SIGNAL_MS;
	last[sig] = ms;
	cancel_signal = sig;
	foreground_on_signal(sig);
	if (!again && write(cancel_pipe[1], "x", 1) < 0)
		cancel_signal = sig; /* the pipe is full: it is readable already */
	errno = err;
}

/*
 * SIGINT, SIGTERM, SIGHUP: the capture under way is undone in an orderly way;
 * one that was ignored by whoever started us (nohup) stays so.
 */
static int main_catch_signals(void)
{
	static const int caught[] = { SIGINT, SIGTERM, SIGHUP };
	const struct sigaction action = { .sa_handler = main_on_signal,
					  .sa_flags = SA_RESTART };
	struct sigaction old;

	if (pipe2(cancel_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(caught) / sizeof(*caught); i++) {
		if (sigaction(caught[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(caught[i], &action, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int main_fail(const char *text)
{
	print_format(stderr, "pymem-load: %s\n", text);
	return 1;
}

/* The file of --probes, which must fit the start block. NULL: error is filled. */
static char *main_read_probes(const char *path, char error[512])
{
	enum { ROOM = sizeof((struct pymem_start *)0)->probes };
	char *text = calloc(1, ROOM + 1);
	FILE *f = fopen(path, "re");

	if (!f || !text) {
		snprintf(error, 512, "cannot read the probes in %.300s: %s", path,
			 strerror(errno));
	} else {
		const size_t n = fread(text, 1, ROOM, f);

		if (!ferror(f) && n < ROOM && !memchr(text, '\0', n)) {
			fclose(f);
			return text;
		}
		snprintf(error, 512, "the probes in %.300s are %s", path,
			 ferror(f)	   ? "not readable" :
				 n == ROOM ? "longer than 16383 bytes" :
					     "not text");
	}
	if (f)
		fclose(f);
	free(text);
	return NULL;
}

/* The exit status once all is on standard output: a report nobody got isn't done. */
static int main_flushed(int status)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	print_format(stderr, "pymem-load: cannot write to standard output%s%s\n",
		     errno ? ": " : "", errno ? strerror(errno) : "");
	return status ? status : 1;
}

static int main_run_session(struct session *s)
{
	const struct load_options *o = s->options;
	char error[512];

	if (o->snapshot && access(o->snapshot, R_OK) < 0) {
		snprintf(error, sizeof(error),
			 "cannot read the snapshot %.300s to compare with: "
			 "%s",
			 o->snapshot, strerror(errno));
		return main_fail(error);
	}
	if (session_init(s) < 0)
		return main_fail("out of memory");
	int status;
	if (o->dry_run) {
		status = session_dry_run(s);
	} else if (o->every_ns) {
		status = every_run(s);
	} else {
		session_plan(s);
		status = session_capture(s, 1, o->keep_agent, true);
	}
	session_deinit(s);
	return status;
}

/* ... of a run that a signal may have ended. */
static int main_status(int status)
{
	return cancel_signal && status != 0 ? 128 + cancel_signal : status;
}

static int main_run(struct load_options *o)
{
	static struct agent_file agent;
	char error[512];
	char *probes = NULL;

	if (o->core && main_catch_signals() < 0)
		return main_fail("cannot make a pipe");
	if (o->core)
		return main_status(post_mortem_run(o, cancel_pipe[0]));
	if (!o->dry_run && agent_file_find(&agent, o->command != NULL, error) < 0)
		return main_fail(error);
	if (o->command && supervise_needed(o)) {
		const int status = supervise_command(o, &agent, error);

		return status < 0 ? main_fail(error) : status;
	}
	if (o->command)
		return launch_command(o, &agent, error) < 0 ? main_fail(error) : 0;
	if (!o->dry_run && agent_file_read(&agent, error) < 0)
		return main_fail(error);
	if (o->probes && !(probes = main_read_probes(o->probes, error)))
		return main_fail(error);
	if (main_catch_signals() < 0)
		return main_fail("cannot make a pipe");
	if (choose_processes(o, cancel_pipe[0], error) < 0) {
		free(probes);
		agent_file_free(&agent);
		return main_fail(error);
	}
	struct session session = { .options = o,
				   .agent = &agent,
				   .probes = probes,
				   .cancel_fd = cancel_pipe[0] };
	const int status = main_status(main_run_session(&session));
	free(probes);
	agent_file_free(&agent);
	return status;
}

int main(int argc, char **argv)
{
	struct load_options options;
	char error[512];

	standard_fds_fill();
	rights_ours();
	switch (load_options_parse(argc, argv, &options, error)) {
	case OPTIONS_HELP:
		load_options_help(stdout);
		return main_flushed(0);
	case OPTIONS_VERSION:
		print_format(stdout, "pymem-load " PYMEM_VERSION "\n");
		return main_flushed(0);
	case OPTIONS_WRONG:
		print_format(stderr, "pymem-load: %s\nTry 'pymem-load --help'.\n", error);
		return 2;
	case OPTIONS_RUN:
		break;
	}
	if (!options.command)
		deadline_tell(warden_begin());
	progress_line_open(options.quiet || options.json, options.debug);
	const int status = main_flushed(main_run(&options));
	load_options_free(&options);
	return status;
}
