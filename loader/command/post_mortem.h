/* SPDX-License-Identifier: MIT */
/*
 * post_mortem - pymem-load --core: the snapshot of a process that is no more, from its
 * core file.
 */
#ifndef PYMEM_LOADER_COMMAND_POST_MORTEM_H
#define PYMEM_LOADER_COMMAND_POST_MORTEM_H

#include "loader/base/load_options.h"

/*
 * Reads options->core, writes the snapshot where a capture would, and shows it as one.
 * cancel_fd: readable after a signal.  The exit status.
 */
int post_mortem_run(const struct load_options *options, int cancel_fd);

#endif
