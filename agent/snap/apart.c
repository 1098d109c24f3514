/* SPDX-License-Identifier: MIT */
/* apart - see apart.h. */
#include "agent/snap/apart.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "agent/base/sys.h"
#include "agent/snap/spawn.h"

/* Less than the watchdog's patience with a walk that stands still. */
enum { APART_MS = 3000 };

/* In memory that both processes have. */
struct apart {
	_Atomic(uint32_t) done;
	int parent;
	void (*run)(void *);
	uint64_t arg[];
};

/* The watchdog's handlers would tell the loader of a crash of the walk. */
static void apart_signals(void)
{
	static const int caught[] = { SIGSEGV, SIGBUS, SIGILL,	SIGFPE,
				      SIGABRT, SIGSYS, SIGTRAP, SIGALRM };
	const uint64_t normal[4] = { 0 }; /* the kernel's struct sigaction: SIG_DFL */

	for (unsigned i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sys4(SYS_rt_sigaction, caught[i], normal, NULL, 8);
}

static void apart_main(void *arg)
{
	struct apart *const apart = arg;

	apart_signals();
	sys5(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (sys0(SYS_getppid) != apart->parent)
		sys_exit_group(1);
	apart->run(apart->arg);
	atomic_store(&apart->done, 1);
	sys_exit_group(0);
}

/* Until it is gone; -ETIMEDOUT: it had to be ended. */
static int apart_await(int pid)
{
	const uint64_t end = sys_now_ns() + APART_MS * 1000000ull;
	long rc;

	while ((rc = sys4(SYS_wait4, pid, NULL, WNOHANG | __WALL, NULL)) == 0 ||
	       rc == -EINTR) {
		if (sys_now_ns() < end) {
			sys_sleep_ms(1);
			continue;
		}
		sys2(SYS_kill, pid, SIGKILL);
		while (sys4(SYS_wait4, pid, NULL, __WALL, NULL) == -EINTR)
			;
		return -ETIMEDOUT;
	}
	return 0;
}

int apart_run(void (*run)(void *), void *arg, size_t size)
{
	const size_t whole = sizeof(struct apart) + size;
	const long mem = sys6(SYS_mmap, 0, whole, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct apart *const apart = (struct apart *)mem;
	int rc;

	if (sys_failed(mem))
		return (int)mem;
	apart->parent = sys_getpid();
	apart->run = run;
	memcpy(apart->arg, arg, size);
	rc = spawn_copy(apart_main, apart);
	if (rc > 0)
		rc = apart_await(rc);
	if (!rc && !atomic_load(&apart->done))
		rc = -EFAULT;
	if (!rc)
		memcpy(arg, apart->arg, size);
	sys2(SYS_munmap, mem, whole);
	return rc;
}
