/* SPDX-License-Identifier: MIT */
/* ending - see ending.h. */
#include "viewer/files/ending.h"

#include <signal.h>
#include <unistd.h>

#include "formats/text/print.h"
#include "viewer/files/clerk.h"
#include "viewer/files/unfinished.h"

#define ENDING_BY(what) "pymem-view: " what "; no unfinished file is left\n"

static const struct {
	int signal;
	const char *sentence; /* NULL: nobody listens */
} ending_signals[] = {
	{ SIGINT, ENDING_BY("interrupted") },
	{ SIGTERM, ENDING_BY("ended by SIGTERM") },
	{ SIGHUP, ENDING_BY("ended by SIGHUP, the terminal is gone") },
	{ SIGXFSZ, ENDING_BY("a file grew beyond the limit for files (ulimit -f)") },
	{ SIGPIPE, NULL },
};
enum { ENDING_SIGNALS = sizeof(ending_signals) / sizeof(ending_signals[0]) };

static pid_t ending_owner; /* a child that was forked just ends */
static bool ending_on_terminal;

static void ending_say(int sig)
{
	for (int i = 0; i < ENDING_SIGNALS; i++) {
		const char *const sentence = ending_signals[i].sentence;

		if (ending_signals[i].signal != sig || !sentence)
			continue;
		if (ending_on_terminal) /* a line of progress may be there */
			print_in_handler(STDERR_FILENO, "\r\033[K");
		print_in_handler(STDERR_FILENO, sentence);
	}
}

/* All that is called here may be: signal-safety(7). */
static void ending_handle(int sig)
{
	if (getpid() == ending_owner) {
		unfinished_unlink();
		ending_say(sig);
		clerk_leave();
	}
	sigaction(sig, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	raise(sig); /* comes when the handler returns */
}

void ending_watch(void)
{
	ending_owner = getpid();
	ending_on_terminal = isatty(STDERR_FILENO);
	for (int i = 0; i < ENDING_SIGNALS; i++) {
		const int sig = ending_signals[i].signal;
		struct sigaction now, end = { .sa_handler = ending_handle };

		sigfillset(&end.sa_mask);
		if (sigaction(sig, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
		    now.sa_handler == SIG_DFL)
			sigaction(sig, &end, NULL);
	}
}
