/* SPDX-License-Identifier: MIT */
/*
 * choose - which processes the command line means: by name, and those they started.
 *
 * A process has a name: what the kernel calls it (comm), its program, the title it
 * gave itself (up to a colon, as gunicorn and celery do), and, of an interpreter, the
 * script or module that it runs.  Only CPythons count.  A name that several have means
 * the one that started all the others, with --children; else it is refused, with the
 * list to choose from.
 */
#ifndef PYMEM_LOADER_COMMAND_CHOOSE_H
#define PYMEM_LOADER_COMMAND_CHOOSE_H

#include "loader/base/load_options.h"

/*
 * Adds to options->pids what options->wanted and options->children mean.  0, or -1 with
 * one sentence in error; the list of what there is to choose from is printed on standard
 * error before.  cancel_fd: ends the waiting for a process that can't be looked at.
 */
int choose_processes(struct load_options *options, int cancel_fd, char error[512]);

#endif
