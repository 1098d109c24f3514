/* SPDX-License-Identifier: MIT */
/* foreground - waiting for a program on the terminal that is part of our job. */
#ifndef PYMEM_LOADER_BASE_FOREGROUND_H
#define PYMEM_LOADER_BASE_FOREGROUND_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Waits for pid to end (block) or only looks.  If the child has stopped itself
 * (Ctrl-Z as a key of a full-screen program), we stop as well, so that the shell
 * gets its terminal back, and wake it when we are woken.  True: it has ended, and
 * *status_ret is its wait status (-1 if that is unknown).
 */
bool foreground_wait(pid_t pid, bool block, int *status_ret);

#endif
