/* SPDX-License-Identifier: MIT */
/*
 * apart - work that a child of the viewer does on its copy of the model, beside it: a
 * processor more, and nothing of the model needs a lock.
 *
 * The child ends with its parent.  Where there is one processor, there is no child.
 */
#ifndef PYMEM_VIEWER_QUERY_APART_H
#define PYMEM_VIEWER_QUERY_APART_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct apart {
	pid_t pid;  /* 0: there is no child */
	int answer; /* from it: a sentence when it failed */
};

/* 0, or -1 with a sentence in problem. */
typedef int apart_work(void *arg, char *problem, size_t size);

/* Whether there is a second processor for it. */
bool apart_helps(void);
/* false: it can't be; the caller does the work itself. */
bool apart_start(struct apart *apart, apart_work *work, void *arg);
/* Until the child is done: what work gave, and its sentence; one of ours when the child
 * was ended. */
int apart_wait(struct apart *apart, char *problem, size_t size);
/* Ends the child, if there is one. */
void apart_stop(struct apart *apart);

#endif
