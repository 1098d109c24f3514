/* SPDX-License-Identifier: MIT */
/* foreground - see foreground.h. */
#include "loader/base/foreground.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

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
