/* SPDX-License-Identifier: MIT */
/*
 * busy - one capture at a time in a process.
 *
 * The lock names the process it was taken in: a child that the application
 * forks meanwhile inherits the word but not the capture, and is free.
 * Any thread.
 */
#ifndef PYMEM_AGENT_BASE_BUSY_H
#define PYMEM_AGENT_BASE_BUSY_H

#include <stdbool.h>

/* True: this process is ours to capture until busy_release; false: another capture
 * runs. From any thread; a forked child may claim at once. */
bool busy_claim(void);
void busy_release(void);

#endif
