/* SPDX-License-Identifier: MIT */
/*
 * terminal_wait - see terminal_wait.h.
 *
 * ncurses' handler of SIGWINCH sets a flag that wget_wch(3X) looks at.  A signal
 * between that look and poll would be noticed only at the next key: so it is held back
 * from before the look until ppoll(2) lets it in.
 */
#include "viewer/screen/terminal_wait.h"

#include <signal.h>
#include <time.h>

int terminal_wait(struct terminal *terminal, struct pollfd *fds, nfds_t count,
		  int timeout, struct event *ret)
{
	const struct timespec limit = { timeout / 1000, timeout % 1000 * 1000000L };
	sigset_t resize, before;
	int ready = 0;

	sigemptyset(&resize);
	sigaddset(&resize, SIGWINCH);
	sigprocmask(SIG_BLOCK, &resize, &before);
	*ret = terminal->ops->read(terminal);
	if (ret->key == KEY_IS_NONE)
		ready = ppoll(fds, count, timeout < 0 ? NULL : &limit, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ready;
}
