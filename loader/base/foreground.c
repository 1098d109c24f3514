/* SPDX-License-Identifier: MIT */
/* foreground - see foreground.h. */
#include "loader/base/foreground.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

void foreground_default_signals(void)
{
	static const int ours[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		signal(ours[i], SIG_DFL);
}

bool foreground_wait(pid_t pid, bool block, int *status_ret)
{
	for (;;) {
		int status = -1;
		const pid_t got =
			waitpid(pid, &status, WUNTRACED | (block ? 0 : WNOHANG));

		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0)
			return false;
		if (got == pid && WIFSTOPPED(status)) {
			raise(SIGSTOP);
			kill(pid, SIGCONT);
			if (block)
				continue;
			return false;
		}
		*status_ret = got == pid ? status : -1;
		return true;
	}
}
