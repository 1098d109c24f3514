/* SPDX-License-Identifier: MIT */
/* walker - see walker.h. */
#include "agent/snap/walker.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "agent/snap/guard.h"
#include "agent/snap/spawn.h"
#include "agent/base/sys.h"
#include "agent/base/text.h"

enum { ARCH_GET_FS_X86 = 0x1003, ARCH_SHSTK_STATUS_X86 = 0x5005 }; /* <asm/prctl.h> */

static struct {
	void (*walk)(void *);
	void *arg;
	int copy;	    /* pid; 0 = no walker was started */
	int walker;	    /* ... of the walker, by itself */
	volatile int ended; /* exit status + 1; 0 = it never said */
} walker;

/* ---- giving back the memory ---- */

static uint64_t thread_pointer(void)
{
	uint64_t fs = 0;

#if defined(__x86_64__)
	sys2(SYS_arch_prctl, ARCH_GET_FS_X86, &fs);
#elif defined(__aarch64__)
	__asm__("mrs %0, tpidr_el0" : "=r"(fs));
#endif
	return fs;
}

/* A shadow stack is a nameless mapping that must stay, and can't be told apart. */
static bool has_shadow_stack(void)
{
	uint64_t features = 0;

#if defined(__x86_64__)
	sys2(SYS_arch_prctl, ARCH_SHSTK_STATUS_X86, &features);
#endif
	return features != 0;
}

/* What must stay: from a to b. */
struct shed_keep {
	uint64_t from, to;
};
enum { SHED_KEEP = 3 };

/* One line of /proc/self/maps: "start-end perms offset dev inode   name". */
static void shed_line(const char *s, const struct shed_keep keep[SHED_KEEP])
{
	uint64_t start, end;
	int fields = 0;

	if (!text_parse_hex(&s, &start) || *s++ != '-' || !text_parse_hex(&s, &end))
		return;
	for (int i = 0; i < SHED_KEEP; i++) {
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
static void shed_memory(void)
{
	extern const char __ehdr_start[] __attribute__((visibility("hidden")));
	extern const char _end[] __attribute__((visibility("hidden")));
	const uint64_t tp = thread_pointer();
	char buf[4096];
	const struct shed_keep keep[SHED_KEEP] = {
		{ (uint64_t)(uintptr_t)buf, (uint64_t)(uintptr_t)buf },
		{ tp, tp },
		{ (uint64_t)(uintptr_t)__ehdr_start, (uint64_t)(uintptr_t)_end },
	};
	const int fd = has_shadow_stack() ? -1 : sys_open("/proc/self/maps", O_RDONLY, 0);
	size_t used = 0;
	long n;

	while (fd >= 0 && (n = sys_read(fd, buf + used, sizeof(buf) - 1 - used)) > 0) {
		size_t line = 0;

		used += (size_t)n;
		for (size_t i = 0; i < used; i++) {
			if (buf[i] != '\n')
				continue;
			buf[i] = '\0';
			shed_line(buf + line, keep);
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

__attribute__((noreturn)) void walker_exit(int status)
{
	/* the first word counts, whatever another thread runs into meanwhile */
	if (!__sync_bool_compare_and_swap(&walker.ended, 0, status + 1))
		sys_exit_group(walker.ended - 1);
	if (walker.copy && sys_getpid() == walker.walker) {
		guard_off();
		shed_memory();
	}
	sys_exit_group(status);
}

static void walker_main(void *arg)
{
	(void)arg;
	sys5(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (sys0(SYS_getppid) != walker.copy)
		sys_exit_group(1);
	walker.walker = sys_getpid();
	walker.walk(walker.arg);
	sys_exit_group(1);
}

/* So that the kernel buries our children by itself. */
static void ignore_children(void)
{
	/* handler, flags, restorer, mask: the kernel's struct sigaction */
	const uint64_t ignore[4] = { (uint64_t)(uintptr_t)SIG_IGN, 0, 0, 0 };

	sys4(SYS_rt_sigaction, SIGCHLD, ignore, NULL, 8);
}

/* Until no child is left; there is no status to be had of an ignored one. */
static void await_burial(void)
{
	while (sys4(SYS_wait4, -1, NULL, __WALL, NULL) != -ECHILD)
		;
}

bool walker_ending(void)
{
	return walker.ended != 0;
}

int walker_run(void (*walk)(void *), void *arg)
{
	const int peak = sys_open("/proc/self/clear_refs", O_WRONLY, 0);
	int pid;

	walker.walk = walk;
	walker.arg = arg;
	walker.copy = sys_getpid();
	ignore_children();
	pid = spawn_process(walker_main, NULL);
	if (pid < 0) {
		walker.copy = 0;
		if (peak >= 0)
			sys_close(peak);
		return pid;
	}
	await_burial();
	shed_memory();
	if (peak >= 0)
		sys_write(peak, "5", 1); /* proc(5): resets the peak */
	if (walker.ended)
		sys_exit_group(walker.ended - 1);
	for (;;)
		sys2(SYS_kill, walker.copy, SIGKILL);
}
