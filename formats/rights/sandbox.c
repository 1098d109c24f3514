/* SPDX-License-Identifier: MIT */
/* sandbox - see sandbox.h. */
#include "formats/rights/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* A pattern of one argument: (value & mask) == wanted. */
struct sandbox_rule {
	const char *call;
	unsigned argument;
	scmp_datum_t mask, wanted;
};

#define ALL_BITS (~(scmp_datum_t)0)
#define NO_NAMESPACE \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET | CLONE_PTRACE)

/* What any program needs: memory, the clock, its descriptors, its end. */
static const char *const sandbox_base[] = {
	"read",
	"write",
	"readv",
	"writev",
	"pread64",
	"pwrite64",
	"lseek",
	"_llseek",
	"ftruncate",
	"ftruncate64",
	"close",
	"fsync",
	"poll",
	"ppoll",
	"brk",
	"munmap",
	"mremap",
	"madvise",
	"futex",
	"sched_yield",
	"clock_gettime",
	"clock_nanosleep",
	"nanosleep",
	"gettimeofday",
	"time",
	"getrandom",
	"getpid",
	"gettid",
	"rt_sigreturn",
	"rt_sigprocmask",
	"rt_sigaction",
	"sigaltstack",
	"restart_syscall",
	"exit",
	"exit_group",
	"rseq",
	"set_robust_list",
	"fstat",
	"fstat64",
	"fallocate",
	NULL,
};

/* Descriptors that are asked for and handed over. */
static const char *const sandbox_reader[] = {
	"sendmsg", "sendto", "recvmsg", "recvfrom", NULL,
};

/* Files by name, the terminal, children, Unix sockets. */
static const char *const sandbox_viewer[] = {
	"open",
	"openat",
	"stat",
	"stat64",
	"lstat",
	"lstat64",
	"newfstatat",
	"fstatat64",
	"statx",
	"access",
	"faccessat",
	"faccessat2",
	"readlink",
	"readlinkat",
	"getdents",
	"getdents64",
	"getcwd",
	"statfs",
	"fstatfs",
	"dup",
	"dup2",
	"dup3",
	"pipe",
	"pipe2",
	"fcntl",
	"fcntl64",
	"flock",
	"fdatasync",
	"rename",
	"renameat",
	"renameat2",
	"link",
	"linkat",
	"unlink",
	"unlinkat",
	"mkdir",
	"mkdirat",
	"umask",
	"fchmod",
	"fadvise64",
	"sendfile",
	"copy_file_range",
	"mincore",
	"msync",
	"select",
	"_newselect",
	"pselect6",
	"eventfd2",
	"memfd_create",
	"rt_sigsuspend",
	"rt_sigpending",
	"rt_sigtimedwait",
	"kill",
	"tgkill",
	"wait4",
	"waitid",
	"getppid",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"getpgrp",
	"getpgid",
	"setpgid",
	"getsid",
	"setsid",
	"set_tid_address",
	"sched_getaffinity",
	"getrlimit",
	"ugetrlimit",
	"setrlimit",
	"getrusage",
	"sysinfo",
	"uname",
	"getpriority",
	"setpriority",
	"times",
	"alarm",
	"setitimer",
	"accept",
	"accept4",
	"bind",
	"listen",
	"connect",
	"recvmsg",
	"recvfrom",
	"sendmsg",
	"sendto",
	"getsockopt",
	"setsockopt",
	"getsockname",
	"getpeername",
	"shutdown",
	"mprotect",
	"mmap",
	"mmap2",
	"prlimit64",
	NULL,
};

/* No memory becomes code. */
static const struct sandbox_rule sandbox_keeper_rules[] = {
	{ "mmap", 2, PROT_EXEC, 0 },
	{ "mmap2", 2, PROT_EXEC, 0 },
	{ "mprotect", 2, PROT_EXEC, 0 },
	{ NULL, 0, 0, 0 },
};

/*
 * The terminal is asked and set, but nothing is typed into it (TIOCSTI, TIOCLINUX): what
 * a shell of root's would read next.  A child is a plain one, a socket a Unix socket.
 */
static const struct sandbox_rule sandbox_viewer_rules[] = {
	{ "ioctl", 1, ALL_BITS, TCGETS },
	{ "ioctl", 1, ALL_BITS, TCSETS },
	{ "ioctl", 1, ALL_BITS, TCSETSW },
	{ "ioctl", 1, ALL_BITS, TCSETSF },
	{ "ioctl", 1, ALL_BITS, TCFLSH },
	{ "ioctl", 1, ALL_BITS, TCXONC },
	{ "ioctl", 1, ALL_BITS, TIOCGWINSZ },
	{ "ioctl", 1, ALL_BITS, TIOCGPGRP },
	{ "ioctl", 1, ALL_BITS, TIOCSPGRP },
	{ "ioctl", 1, ALL_BITS, FIONREAD },
	{ "ioctl", 1, ALL_BITS, FIONBIO },
	{ "clone", 0, NO_NAMESPACE, 0 },
	{ "socket", 0, ALL_BITS, AF_UNIX },
	{ "socketpair", 0, ALL_BITS, AF_UNIX },
	{ "prctl", 0, ALL_BITS, PR_SET_PDEATHSIG },
	{ "prctl", 0, ALL_BITS, PR_SET_NAME },
	{ "prctl", 0, ALL_BITS, PR_SET_DUMPABLE },
	{ NULL, 0, 0, 0 },
};

static const struct {
	const char *const *calls; /* beside the base */
	const struct sandbox_rule *rules;
} sandboxes[] = {
	[SANDBOX_KEEPER] = { NULL, sandbox_keeper_rules },
	[SANDBOX_READER] = { sandbox_reader, sandbox_keeper_rules },
	[SANDBOX_VIEWER] = { sandbox_viewer, sandbox_viewer_rules },
};

/* A call that this processor doesn't have needs no rule. */
static int sandbox_allow(scmp_filter_ctx filter, const struct sandbox_rule *rule)
{
	const int call = seccomp_syscall_resolve_name(rule->call);

	if (call < 0)
		return 0;
	if (!rule->mask)
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
	return seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, call, 1,
		SCMP_CMP(rule->argument, SCMP_CMP_MASKED_EQ, rule->mask, rule->wanted));
}

static int sandbox_allow_all(scmp_filter_ctx filter, const char *const *calls)
{
	int err = 0;

	for (; calls && *calls && !err; calls++)
		err = sandbox_allow(filter, &(struct sandbox_rule){ .call = *calls });
	return err;
}

/* The C library tries clone3, whose flags no filter can see, and then clone. */
static int sandbox_fill(scmp_filter_ctx filter, enum sandbox sandbox)
{
	int err =
		seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3),
				       0);
	if (!err)
		err = sandbox_allow_all(filter, sandbox_base);
	if (!err)
		err = sandbox_allow_all(filter, sandboxes[sandbox].calls);
	for (const struct sandbox_rule *r = sandboxes[sandbox].rules; r->call && !err;
	     r++)
		err = sandbox_allow(filter, r);
	return err;
}

int sandbox_enter(enum sandbox sandbox)
{
	assert((size_t)sandbox < sizeof(sandboxes) / sizeof(sandboxes[0]));
	const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!filter)
		return -ENOMEM;
	int err = sandbox_fill(filter, sandbox);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}
