/* SPDX-License-Identifier: MIT */
/* grandchild - see grandchild.h. */
#include "agent/snap/grandchild.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "agent/snap/spawn.h"
#include "agent/base/cpu.h"
#include "agent/base/invariant.h"
#include "agent/base/sys.h"
#include "agent/base/phrase.h"

static struct {
	void (*walk)(void *);
	void *arg;
	int copy;	    /* pid; 0 = no grandchild was started */
	int pid;	    /* ... of the grandchild, by itself */
	volatile int ended; /* exit status + 1; 0 = it never said */
} grandchild;

/* ---- giving back the memory ---- */

/* What must stay: from a to b. */
struct grandchild_keep {
	uint64_t from, to;
};
enum { GRANDCHILD_KEEP = 3 };

/* One line of /proc/self/maps: "start-end perms offset dev inode   name". */
static void grandchild_unmap_line(const char *s,
				  const struct grandchild_keep keep[GRANDCHILD_KEEP])
{
	uint64_t start, end;
	int fields = 0;

	if (!phrase_parse_hex(&s, &start) || *s++ != '-' || !phrase_parse_hex(&s, &end))
		return;
	for (int i = 0; i < GRANDCHILD_KEEP; i++) {
		if (keep[i].to >= start && keep[i].from < end)
			return;
	}
	for (; *s && fields < 5; s++)
		fields += *s == ' ';
	for (; *s == ' '; s++)
		;
	if (*s != '[' || s[1] == 'h') /* the kernel's own stay: [stack], [vdso] */
		sys2(SYS_munmap, start, end - start);
}

/* Unmaps all but this stack, the thread's block and the agent itself.  After it nothing
 * but system calls is possible. */
static void grandchild_unmap_all(void)
{
	extern const char __ehdr_start[] __attribute__((visibility("hidden")));
	extern const char _end[] __attribute__((visibility("hidden")));
	const uint64_t tp = cpu_self_pointer();
	char buf[4096];
	const struct grandchild_keep keep[GRANDCHILD_KEEP] = {
		{ (uint64_t)(uintptr_t)buf, (uint64_t)(uintptr_t)buf },
		{ tp, tp },
		{ (uint64_t)(uintptr_t)__ehdr_start, (uint64_t)(uintptr_t)_end },
	};
	const int fd = cpu_shadow_stack() ? -1 : sys_open("/proc/self/maps", O_RDONLY, 0);
	size_t used = 0;
	long n;

	while (fd >= 0 && (n = sys_read(fd, buf + used, sizeof(buf) - 1 - used)) > 0) {
		size_t line = 0;

		used += (size_t)n;
		for (size_t i = 0; i < used; i++) {
			if (buf[i] != '\n')
				continue;
			buf[i] = '\0';
			grandchild_unmap_line(buf + line, keep);
			line = i + 1;
		}
		if (line == 0)
			break;
		used -= line;
		for (size_t i = 0; i < used; i++)
			((volatile char *)buf)[i] = buf[line + i]; /* no memmove */
	}
	if (fd >= 0)
		sys_close(fd);
}

/* ---- the two processes ---- */

__attribute__((noreturn)) void grandchild_exit(int status)
{
	/* the first word counts, whatever another thread runs into meanwhile */
	if (!__sync_bool_compare_and_swap(&grandchild.ended, 0, status + 1))
		sys_exit_group(grandchild.ended - 1);
	if (grandchild.copy && sys_getpid() == grandchild.pid)
		grandchild_unmap_all();
	sys_exit_group(status);
}

static void grandchild_main(void *arg)
{
	(void)arg;
	sys5(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (sys0(SYS_getppid) != grandchild.copy)
		sys_exit_group(1);
	grandchild.pid = sys_getpid();
	grandchild.walk(grandchild.arg);
	sys_exit_group(1);
}

void grandchild_ignore(void)
{
	/* handler, flags, restorer, mask: the kernel's struct sigaction */
	const uint64_t ignore[4] = { (uint64_t)(uintptr_t)SIG_IGN, 0, 0, 0 };

	sys4(SYS_rt_sigaction, SIGCHLD, ignore, NULL, 8);
}

/* There is no status to be had of an ignored one. */
void grandchild_await(void)
{
	while (sys4(SYS_wait4, -1, NULL, __WALL, NULL) != -ECHILD)
		;
}

void grandchild_give_back(void)
{
	const int peak = sys_open("/proc/self/clear_refs", O_WRONLY, 0);

	grandchild_unmap_all();
	if (peak >= 0)
		sys_write(peak, "5", 1); /* proc(5): resets the peak */
}

bool grandchild_ending(void)
{
	return grandchild.ended != 0;
}

int grandchild_run(void (*walk)(void *), void *arg)
{
	const int peak = sys_open("/proc/self/clear_refs", O_WRONLY, 0);
	int pid;

	INVARIANT(!grandchild.copy && !grandchild.ended);
	grandchild.walk = walk;
	grandchild.arg = arg;
	grandchild.copy = sys_getpid();
	grandchild_ignore();
	pid = spawn_process(grandchild_main, NULL);
	if (pid < 0) {
		grandchild.copy = 0;
		if (peak >= 0)
			sys_close(peak);
		return pid;
	}
	grandchild_await();
	grandchild_unmap_all();
	if (peak >= 0)
		sys_write(peak, "5", 1); /* proc(5): resets the peak */
	if (grandchild.ended)
		sys_exit_group(grandchild.ended - 1);
	for (;;)
		sys2(SYS_kill, grandchild.copy, SIGKILL);
}
