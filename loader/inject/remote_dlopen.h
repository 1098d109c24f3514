/* SPDX-License-Identifier: MIT */
/* remote_dlopen - what a dlopen in the target is called with, and why it failed. */
#ifndef PYMEM_LOADER_INJECT_REMOTE_DLOPEN_H
#define PYMEM_LOADER_INJECT_REMOTE_DLOPEN_H

#include "loader/inject/remote.h"

/* Puts the path into the region and fills arg for a call of calls.dlopen.  0, or -1
 * with *err. */
int remote_dlopen_arguments(struct remote *remote, const char *path, uint64_t arg[4],
			    struct load_error *err);
/*
 * After it returned NULL: *err (LOAD_E_CALL) with the dynamic loader's own words, which
 * are asked for within timeout_ms.  who: "the target", "the copy".  Returns -1.
 */
int remote_dlopen_failed(struct remote *remote, const char *who, unsigned timeout_ms,
			 struct load_error *err);

#endif
