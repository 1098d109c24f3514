/* SPDX-License-Identifier: MIT */
/* foreground - programs that are part of our job: their signals, waiting for them. */
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

/* Counts a signal that is to end our job; may be called in a handler. */
void foreground_on_signal(int sig);
/* Those that came so far were heeded; the next one counts. */
void foreground_heeded(void);
/* The signal that has come since, or 0. */
int foreground_told(void);
/* "SIGTERM" and the like. */
const char *foreground_signal_name(int sig);
/*
 * Waits for a child of ours as foreground_wait does.  Once we are told to end so is the
 * child, by SIGTERM, and by SIGKILL if it doesn't.  One that has the terminal gets the
 * signal itself, and Ctrl-C is a key of its own.
 */
void foreground_attend(pid_t pid, bool has_terminal, int *status_ret);

/* In a child, before it becomes a program: the signals that we catch or ignore do again
 * what they do by default. */
void foreground_default_signals(void);

#endif
