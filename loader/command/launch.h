/* SPDX-License-Identifier: MIT */
/* launch - pymem-load [options] -- COMMAND: starts a program that carries the agent. */
#ifndef PYMEM_LOADER_COMMAND_LAUNCH_H
#define PYMEM_LOADER_COMMAND_LAUNCH_H

#include "loader/capture/agent_file.h"
#include "loader/base/load_options.h"

/*
 * Sets LD_PRELOAD and the agent's PYMEM_* variables from the options and
 * becomes the command (execvp): no process of ours stays in front of it.
 * Variables that the user has set already are left alone; if no trigger is
 * among them or the options, a snapshot is taken when the program ends.
 * Returns only on failure: -1 and one sentence.
 */
int launch_command(const struct load_options *options, const struct agent_file *agent,
		   char error[512]);

#endif
