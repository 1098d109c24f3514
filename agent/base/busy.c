/* SPDX-License-Identifier: MIT */
/* busy - see busy.h. */
#include "agent/base/busy.h"

#include "agent/base/sys.h"

static volatile int busy_pid; /* 0 = nobody */

bool busy_claim(void)
{
	const int pid = sys_getpid(), owner = busy_pid;

	return owner != pid && __sync_bool_compare_and_swap(&busy_pid, owner, pid);
}

void busy_release(void)
{
	__sync_synchronize();
	busy_pid = 0;
}
