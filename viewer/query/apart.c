/* SPDX-License-Identifier: MIT */
/* apart - the child and its answer (apart.h). */
#include "viewer/query/apart.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "viewer/files/files.h"

enum { APART_WORDS = 600 };

bool apart_helps(void)
{
	cpu_set_t cpus;

	/* a machine of more than 1,024 processors doesn't fit into the set */
	return sched_getaffinity(0, sizeof(cpus), &cpus) < 0 ? errno == EINVAL :
							       CPU_COUNT(&cpus) > 1;
}

static void apart_child(apart_work *work, void *arg, int answer, pid_t parent)
{
	char problem[APART_WORDS] = "";

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent)
		_exit(1);
	if (work(arg, problem, sizeof(problem)) == 0)
		_exit(0);
	(void)files_write(answer, problem, strlen(problem));
	_exit(1);
}

bool apart_start(struct apart *a, apart_work *work, void *arg)
{
	const pid_t parent = getpid();
	int ends[2];

	*a = (struct apart){ .answer = -1 };
	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	fflush(NULL);
	const pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		apart_child(work, arg, ends[1], parent);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return false;
	}
	*a = (struct apart){ .pid = pid, .answer = ends[0] };
	return true;
}

/* How it ended. */
static int apart_reap(struct apart *a)
{
	int status = 0;

	close(a->answer);
	while (waitpid(a->pid, &status, 0) < 0 && errno == EINTR)
		;
	*a = (struct apart){ .answer = -1 };
	return status;
}

int apart_wait(struct apart *a, char *problem, size_t size)
{
	size_t got = 0;

	assert(a->pid > 0 && size);
	while (got < size - 1) {
		const ssize_t n = read(a->answer, problem + got, size - 1 - got);

		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		got += n > 0 ? (size_t)n : 0;
	}
	problem[got] = '\0';
	const int status = apart_reap(a);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (!got)
		snprintf(problem, size,
			 "the process that helps was ended (memory, or a signal)");
	return -1;
}

void apart_stop(struct apart *a)
{
	if (a->pid <= 0)
		return;
	kill(a->pid, SIGKILL);
	(void)apart_reap(a);
}
