/* SPDX-License-Identifier: MIT */
/* confined - see confined.h. */
#include "loader/base/confined.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "formats/rights/rights.h"

void confined_enter(const char *name, const int *kept, size_t count, pid_t parent,
		    enum sandbox sandbox)
{
	const struct rlimit none = { 0, 0 };

	prctl(PR_SET_NAME, name, 0, 0, 0);
	rights_close_others(kept, count);
	setrlimit(RLIMIT_CORE, &none);
	if (rights_drop() < 0)
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user clears it */
	if (getppid() != parent)
		_exit(1);
	(void)sandbox_enter(sandbox);
}
