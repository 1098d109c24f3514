/* SPDX-License-Identifier: MIT */
/* diagnose - see diagnose.h. */
#include "loader/target/diagnose.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool diagnose_have_cap_sys_ptrace(void)
{
	char *status = process_read_text("/proc/self/status", 65536, NULL);
	uint64_t caps = status ? process_text_field(status, "CapEff", 16, 0) : 0;

	free(status);
	return caps >> CAP_SYS_PTRACE & 1;
}

static bool diagnose_own_seccomp(void)
{
	char *status = process_read_text("/proc/self/status", 65536, NULL);
	bool filtered = status && process_text_field(status, "Seccomp", 10, 0) == 2;

	free(status);
	return filtered;
}

static int diagnose_yama_scope(void)
{
	char *text = process_read_text("/proc/sys/kernel/yama/ptrace_scope", 16, NULL);
	int scope = text ? atoi(text) : 0;

	free(text);
	return scope;
}

/* fs/proc/base.c task_dump_owner: files of an undumpable task belong to root. */
static bool diagnose_undumpable(const struct process *p)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/maps", p->pid);
	return p->uid[1] != 0 && !stat(path, &st) && st.st_uid == 0;
}

static bool diagnose_foreign_user_namespace(const struct process *p)
{
	char path[32], theirs[64], ours[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", p->pid);
	ssize_t a = readlink(path, theirs, sizeof(theirs));
	ssize_t b = readlink("/proc/self/ns/user", ours, sizeof(ours));
	return a > 0 && b > 0 && (a != b || memcmp(theirs, ours, (size_t)a));
}

/* Security modules that confine the target, e.g. "AppArmor (docker-default)". */
static void diagnose_lsm_hint(const struct process *p, char *buf, size_t size)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/attr/current", p->pid);
	char *label = process_read_text(path, 256, NULL);
	char *list = process_read_text("/sys/kernel/security/lsm", 256, NULL);
	if (label)
		label[strcspn(label, "\n")] = 0;
	snprintf(buf, size, "a security module (%s%s%s) may forbid it",
		 list ? list : "SELinux deny_ptrace, AppArmor",
		 label && *label ? "; its label: " : "", label ? label : "");
	free(label);
	free(list);
}

static int diagnose_refuse_yama(const struct process *p, int scope, int sys,
				struct load_error *err)
{
	if (scope >= 3)
		return load_fail(err, LOAD_E_PERMISSION, sys,
				 "kernel.yama.ptrace_scope is 3: until the next reboot "
				 "nobody may trace a process, not even root; start the "
				 "program with LD_PRELOAD instead");
	if (scope == 2)
		return load_fail(err, LOAD_E_PERMISSION, sys,
				 "kernel.yama.ptrace_scope is 2: only a process with "
				 "CAP_SYS_PTRACE may trace %d: run as root",
				 p->pid);
	return load_fail(
		err, LOAD_E_PERMISSION, sys,
		"kernel.yama.ptrace_scope is 1: only an ancestor of %d or a process with "
		"CAP_SYS_PTRACE may trace it: run as root, or set it to 0 with "
		"`sysctl kernel.yama.ptrace_scope=0`",
		p->pid);
}

int diagnose_refusal(const struct process *p, int sys, struct load_error *err)
{
	uid_t me = getuid();
	bool cap = diagnose_have_cap_sys_ptrace();
	bool same = me == p->uid[0] && me == p->uid[1] && me == p->uid[2];
	int scope = diagnose_yama_scope();

	if (p->tracer)
		return diagnose_state(p, err);
	if (scope >= 3)
		return diagnose_refuse_yama(p, scope, sys, err);
	if (!cap && !same)
		return load_fail(err, LOAD_E_PERMISSION, sys,
				 "process %d belongs to user %u and you are user %u: run "
				 "as that user or as root",
				 p->pid, p->uid[1], me);
	if (!cap && diagnose_undumpable(p))
		return load_fail(
			err, LOAD_E_PERMISSION, sys,
			"process %d isn't dumpable (it changed its user id, has file "
			"capabilities or asked for it): only root (CAP_SYS_PTRACE) may "
			"look into it",
			p->pid);
	if (!cap && scope)
		return diagnose_refuse_yama(p, scope, sys, err);
	if (diagnose_foreign_user_namespace(p))
		return load_fail(
			err, LOAD_E_PERMISSION, sys,
			"process %d lives in another user namespace, where you have no "
			"CAP_SYS_PTRACE: run as the user that made the container, or as "
			"root of the host",
			p->pid);
	if (diagnose_own_seccomp())
		return load_fail(
			err, LOAD_E_PERMISSION, sys,
			"tracing %d was refused (%s); a seccomp filter confines "
			"pymem-load itself: run it with --cap-add=SYS_PTRACE, or from "
			"the host",
			p->pid, strerror(sys));
	if (p->state == 't')
		return load_fail(err, LOAD_E_TRACED, sys,
				 "process %d is already traced, by a process that can't "
				 "be seen from here (another pid namespace)",
				 p->pid);
	char hint[400];
	diagnose_lsm_hint(p, hint, sizeof(hint));
	return load_fail(err, LOAD_E_PERMISSION, sys, "tracing %d was refused (%s): %s",
			 p->pid, strerror(sys), hint);
}

static int diagnose_refuse_traced(const struct process *p, struct load_error *err)
{
	char name[64];

	if (!strcmp(process_name(p->tracer, name, sizeof(name)), DIAGNOSE_HELPER))
		return load_fail(err, LOAD_E_BUSY, EPERM,
				 "another pymem-load (its helper is process %d) is "
				 "capturing process %d",
				 p->tracer, p->pid);
	if (kill(p->tracer, 0) && errno == ESRCH)
		return load_fail(err, LOAD_E_BUSY, EPERM,
				 "another process (%d), which has ended since, traced "
				 "process %d: try again",
				 p->tracer, p->pid);
	return load_fail(
		err, LOAD_E_TRACED, EPERM,
		"process %d is already traced by process %d (%s): a process can have "
		"only one tracer, end that one first",
		p->pid, p->tracer, name);
}

int diagnose_state(const struct process *p, struct load_error *err)
{
	if (!p->live_tid)
		return load_fail(err, LOAD_E_GONE, 0,
				 "process %d is a zombie: it has ended and waits for its "
				 "parent (%d) to collect it",
				 p->pid, p->ppid);
	if (p->kthread)
		return load_fail(err, LOAD_E_UNSUPPORTED, 0,
				 "process %d is a kernel thread", p->pid);
	if (p->tgid != p->pid)
		return load_fail(err, LOAD_E_UNSUPPORTED, 0,
				 "%d is a thread of process %d: give that number", p->pid,
				 p->tgid);
	if (p->tracer)
		return diagnose_refuse_traced(p, err);
	return 0;
}

bool diagnose_vfork_child(const struct process *p)
{
	return p->ppid > 0 && syscall(SYS_kcmp, p->pid, p->ppid, KCMP_VM, 0, 0) == 0;
}
