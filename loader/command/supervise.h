/* SPDX-License-Identifier: MIT */
/*
 * supervise - a command whose snapshots pymem-load does something with: --summary,
 * --profile and --upload with a command, and --leak-check.
 *
 * The command is a child of ours that takes its own snapshots (launch.h) into a folder
 * that nobody else can enter; each that is whole is dealt with, and the folder goes when
 * the command has ended.  Signals that are sent to us go to the command as long as it
 * lives, at once, also while something is made or uploaded; after that they end what is
 * made or uploaded.  Its exit status is ours.
 *
 * Marks (--leak-check).  A snapshot is taken at each SIGUSR2, sent to the command's
 * process or to us, and for each line that is written to the FIFO that the environment
 * variable PYMEM_MARK names: the line is the mark's name.  Who then opens the FIFO
 * "$PYMEM_MARK.done" for reading waits until that snapshot is on the disk.
 */
#ifndef PYMEM_LOADER_COMMAND_SUPERVISE_H
#define PYMEM_LOADER_COMMAND_SUPERVISE_H

#include <stdbool.h>

#include "loader/base/load_options.h"
#include "loader/capture/agent_file.h"

enum { SUPERVISE_LEAKS = 4 /* exit status: something grew at every mark */ };

/* Whether these options, and the environment (a PYMEM_OUTPUT that ends in .summary),
 * need it. */
bool supervise_needed(const struct load_options *options);
/* Runs the command to its end. The exit status, or -1 with a sentence: it didn't run. */
int supervise_command(const struct load_options *options, const struct agent_file *agent,
		      char error[512]);

#endif
