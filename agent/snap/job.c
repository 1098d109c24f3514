/* SPDX-License-Identifier: MIT */
/* job - see job.h. */
#include "agent/snap/job.h"

#include <string.h>

#include "agent/base/invariant.h"
#include "agent/base/sys.h"

void job_open(struct job *job, const struct pymem_start *start, enum job_context context)
{
	INVARIANT(start && context <= JOB_EXTERNAL);
	memset(job, 0, sizeof(*job));
	job->start = start;
	job->context = context;
	job->pid = context == JOB_EXTERNAL ? (int)sys0(SYS_getppid) : sys_getpid();
	job->task = start->borrowed_tid ? (int)start->borrowed_tid : job->pid;
	control_channel_open(&job->control, start->control_fd, start->command_fd,
			     start->nonce);
	stream_open(&job->stream, start->stream_fd, -1);
}

void job_close(struct job *job)
{
	stream_close(&job->stream);
	control_channel_close(&job->control);
}

int job_fail(struct job *job, uint32_t reason, int64_t errno_value, const char *sentence)
{
	INVARIANT(reason && sentence);
	job->failed = reason;
	control_channel_fail(&job->control, reason, errno_value, sentence);
	return -1;
}

void job_done(const struct job *job)
{
	control_channel_send(&job->control, PYMEM_MSG_DONE, job->gil_held_ns, 0, 0, 0,
			     NULL);
}
