/* SPDX-License-Identifier: MIT */
/* seccomp - see seccomp.h. */
#include "loader/target/seccomp.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/cpu/cpu.h"
#include "loader/target/process.h"

/* ---- who has filters ---- */

enum seccomp_mode seccomp_mode(pid_t pid, pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	char *status = process_read_text(path, 65536, NULL);
	const uint64_t mode = status ? process_text_field(status, "Seccomp", 10, 0) : 0;
	free(status);
	return (enum seccomp_mode)mode;
}

bool seccomp_confines(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *dir = opendir(path);
	bool found = false;
	for (struct dirent *d; dir && !found && (d = readdir(dir));)
		if (d->d_name[0] != '.')
			found = seccomp_mode(pid, (pid_t)strtol(d->d_name, NULL, 10)) !=
				SECCOMP_NONE;
	if (dir)
		closedir(dir);
	return found;
}

/*
 * The right is checked before anything else (kernel/seccomp.c seccomp_get_filter): of a
 * process without filters it gets another error.
 */
bool seccomp_may_read(void)
{
	bool may = false;
	const pid_t child = fork();

	if (!child)
		for (;;)
			pause();
	if (child < 0)
		return false;
	if (!ptrace(PTRACE_SEIZE, child, NULL, NULL) &&
	    !ptrace(PTRACE_INTERRUPT, child, NULL, NULL) &&
	    waitpid(child, NULL, __WALL) == child)
		may = ptrace(PTRACE_SECCOMP_GET_FILTER, child, NULL, NULL) >= 0 ||
			(errno != EACCES && errno != EIO);
	kill(child, SIGKILL);
	while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR)
		;
	return may;
}

/* ---- reading ---- */

/* The index-th program: 0, -ENOENT behind the last, or another negative errno. */
static int seccomp_read(struct seccomp *s, pid_t tid)
{
	struct sock_filter code[FILTER_MAX];
	void *const index = (void *)(uintptr_t)s->count;
	const long count = ptrace(PTRACE_SECCOMP_GET_FILTER, tid, index, NULL);

	if (count < 0)
		return -errno;
	if (!count || count > FILTER_MAX ||
	    ptrace(PTRACE_SECCOMP_GET_FILTER, tid, index, code) != count)
		return -EIO;
	const size_t size = (size_t)count * sizeof(*code);
	struct seccomp_program *more =
		realloc(s->programs, (s->count + 1) * sizeof(*more));
	struct sock_filter *kept = malloc(size);
	if (more)
		s->programs = more;
	if (!more || !kept) {
		free(kept);
		return -ENOMEM;
	}
	memcpy(kept, code, size);
	s->programs[s->count++] = (struct seccomp_program){ kept, (size_t)count };
	return 0;
}

int seccomp_open(pid_t pid, pid_t tid, struct seccomp *ret)
{
	*ret = (struct seccomp){ .mode = seccomp_mode(pid, tid) };
	int error = 0;
	if (ret->mode != SECCOMP_FILTERS)
		return 0;
	while (!error)
		error = seccomp_read(ret, tid);
	return error == -ENOENT && ret->count ? 0 : error;
}

void seccomp_close(struct seccomp *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->programs[i].code);
	free(s->programs);
	*s = (struct seccomp){ .mode = SECCOMP_NONE };
}

/* ---- judging ---- */

/* kernel/seccomp.c, mode1_syscalls */
static enum filter_effect seccomp_strict(long nr)
{
	return nr == SYS_read || nr == SYS_write || nr == SYS_exit ||
			nr == SYS_rt_sigreturn ?
		FILTER_ALLOWS :
		FILTER_ENDS;
}

/* All programs are run, and the worst answer counts. */
static enum filter_effect seccomp_worst_of(const struct seccomp *s, uint32_t first,
					   uint32_t last)
{
	enum filter_effect worst = FILTER_ALLOWS;

	for (size_t i = 0; i < s->count && worst < FILTER_ENDS; i++) {
		const struct seccomp_program *p = &s->programs[i];
		const enum filter_effect effect =
			filter_worst(p->code, p->count, first, last);

		worst = effect > worst ? effect : worst;
	}
	return worst;
}

enum filter_effect seccomp_worst(const struct seccomp *s, long nr)
{
	return s->mode == SECCOMP_STRICT ?
		seccomp_strict(nr) :
		seccomp_worst_of(s, (uint32_t)nr, (uint32_t)nr);
}

enum filter_effect seccomp_call(const struct seccomp *s, long nr, uint64_t pc,
				const uint64_t arg[6])
{
	struct seccomp_data data = { .nr = (int)nr,
				     .arch = cpu_audit_arch,
				     .instruction_pointer = pc };
	enum filter_effect worst =
		s->mode == SECCOMP_STRICT ? seccomp_strict(nr) : FILTER_ALLOWS;

	memcpy(data.args, arg, sizeof(data.args));
	for (size_t i = 0; i < s->count; i++) {
		const struct seccomp_program *p = &s->programs[i];
		const enum filter_effect effect =
			filter_effect(filter_run(p->code, p->count, &data));

		worst = effect > worst ? effect : worst;
	}
	return worst;
}

bool seccomp_refuses(const struct seccomp *s, long nr)
{
	bool refused = false;

	for (size_t i = 0; i < s->count && !refused; i++)
		refused = filter_refuses(s->programs[i].code, s->programs[i].count,
					 (uint32_t)nr);
	return refused;
}

bool seccomp_reaches(const struct seccomp *s, enum filter_effect least, long *nr_ret)
{
	*nr_ret = -1;
	if (s->mode == SECCOMP_NONE ||
	    (s->mode == SECCOMP_FILTERS &&
	     seccomp_worst_of(s, 0, SECCOMP_CALLS - 1) < least))
		return false;
	for (long nr = 0; nr < SECCOMP_CALLS; nr++)
		if (seccomp_worst(s, nr) >= least) {
			*nr_ret = nr;
			return true;
		}
	return false;
}
