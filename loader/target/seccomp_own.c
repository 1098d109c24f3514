/* SPDX-License-Identifier: MIT */
/* seccomp_own - see seccomp_own.h. */
#include "loader/target/seccomp_own.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/target/process.h"
#include "loader/target/seccomp.h"

#define OWN_WAIT_MS 1000
#define OWN_CHILDREN 16
#define OWN_ANCESTORS 64

/* ---- are they the same? ---- */

/* Number of filters around a thread; kernels before 5.9 don't tell: 0. */
static uint64_t seccomp_own_count(const char *path)
{
	char *status = process_read_text(path, 65536, NULL);
	const uint64_t count = status &&
			process_text_field(status, "Seccomp", 10, 0) == SECCOMP_FILTERS ?
		process_text_field(status, "Seccomp_filters", 10, 0) :
		0;

	free(status);
	return count;
}

static bool seccomp_own_same_text(const char *ours, const char *theirs)
{
	char *a = process_read_text(ours, 65536, NULL),
	     *b = process_read_text(theirs, 65536, NULL);
	const bool same = a && b && *a && !strcmp(a, b);

	free(a);
	free(b);
	return same;
}

static bool seccomp_own_same_place(pid_t pid)
{
	char path[64], ours[64], theirs[64];

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (!seccomp_own_same_text("/proc/self/cgroup", path))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	const ssize_t a = readlink("/proc/self/ns/pid", ours, sizeof(ours));
	const ssize_t b = readlink(path, theirs, sizeof(theirs));
	return a > 0 && a == b && !memcmp(ours, theirs, (size_t)a);
}

static pid_t seccomp_own_parent(pid_t pid)
{
	struct process process;
	struct load_error unused;

	return process_read(pid, &process, &unused) ? 0 : process.ppid;
}

/*
 * The nearest process that the target and we both come from; the first of the namespace
 * where there is none: a runtime puts others in from outside (docker exec).
 */
static pid_t seccomp_own_ancestor(pid_t pid)
{
	pid_t theirs = pid, ours;

	for (int i = 0; i < OWN_ANCESTORS && theirs > 1; i++) {
		ours = getpid();
		for (int k = 0; k < OWN_ANCESTORS && ours > 1; k++) {
			if (ours == theirs)
				return ours;
			ours = seccomp_own_parent(ours);
		}
		theirs = seccomp_own_parent(theirs);
	}
	return 1;
}

bool seccomp_own_around(pid_t pid)
{
	char path[64];
	const uint64_t ours = seccomp_own_count("/proc/self/status");

	if (!ours || !seccomp_own_same_place(pid))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/status", seccomp_own_ancestor(pid));
	if (seccomp_own_count(path) != ours)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *dir = opendir(path);
	bool same = dir != NULL;
	for (struct dirent *d; same && (d = readdir(dir));) {
		const pid_t tid = (pid_t)strtol(d->d_name, NULL, 10);

		if (tid <= 0 || seccomp_mode(pid, tid) == SECCOMP_NONE)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
		same = seccomp_own_count(path) == ours;
	}
	if (dir)
		closedir(dir);
	return same;
}

/* ---- what do they do? ---- */

/* On top of ours: no call is made but the child's own end. */
static bool seccomp_own_block(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
	};
	const struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
		!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* All calls from *next on, which counts them. */
static void seccomp_own_make(volatile long *next)
{
	signal(SIGSYS, SIG_DFL);
	if (!seccomp_own_block())
		_exit(1);
	while (*next < SECCOMP_CALLS) {
		const long nr = (*next)++;

		if (nr == SYS_exit_group)
			continue;
		syscall(nr, 0l, 0l, 0l, 0l, 0l, 0l);
		syscall(nr, -1l, -1l, -1l, -1l, -1l, -1l);
	}
	_exit(0);
}

/* How the child ended that made the calls from *next on; -1: it did not, in time. */
static int seccomp_own_child(volatile long *next)
{
	int end[2], status = -1;

	if (pipe(end))
		return -1;
	const pid_t child = fork();
	if (!child)
		seccomp_own_make(next);
	close(end[1]);
	struct pollfd gone = { end[0], POLLIN, 0 }; /* the child has the other end */
	const bool ended = child > 0 && poll(&gone, 1, OWN_WAIT_MS) > 0;
	if (child > 0 && !ended)
		kill(child, SIGKILL);
	if (child > 0)
		waitpid(child, &status, 0);
	close(end[0]);
	return ended ? status : -1;
}

/*
 * Another signal than SIGSYS is no answer of a filter: some calls that no filter is
 * asked about end who makes them from the wrong place (uretprobe).
 */
bool seccomp_own_harmless(void)
{
	volatile long *next = mmap(NULL, sizeof(*next), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = -1;

	if (next == MAP_FAILED)
		return false;
	for (int i = 0; i < OWN_CHILDREN; i++) {
		status = seccomp_own_child(next);
		if (status == -1 || !WIFSIGNALED(status) || WTERMSIG(status) == SIGSYS)
			break;
	}
	munmap((void *)(uintptr_t)next, sizeof(*next));
	return status != -1 && WIFEXITED(status) && !WEXITSTATUS(status);
}
