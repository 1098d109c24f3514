/* SPDX-License-Identifier: MIT */
/* remote_call - calls of the target's functions by a borrowed thread, or in a copy. */
#ifndef PYMEM_LOADER_INJECT_REMOTE_CALL_H
#define PYMEM_LOADER_INJECT_REMOTE_CALL_H

#include "loader/inject/remote.h"

/* Calls a function with up to four arguments within timeout_ms (see remote_run.h). */
int remote_call(struct remote *remote, uint64_t function, const uint64_t arg[4],
		unsigned timeout_ms, uint64_t *ret, struct load_error *err);
/* In a copy: sets the call up and starts it, to be waited for by remote_call_poll. */
int remote_call_start(struct remote *remote, uint64_t function, const uint64_t arg[4],
		      struct load_error *err);
/*
 * Lets a started call run until the deadline: 1 = it returned, result in *ret;
 * 0 = not yet; -1 with *err.
 */
int remote_call_poll(struct remote *remote, uint64_t deadline, uint64_t *ret,
		     struct load_error *err);

#endif
