/* SPDX-License-Identifier: MIT */
/* guard - last checks on a stopped thread, before anything is done in it. */
#ifndef PYMEM_LOADER_INJECT_GUARD_H
#define PYMEM_LOADER_INJECT_GUARD_H

#include "loader/inject/tracer.h"

/* 0, or -1 with *err when the seccomp filter would or might kill the target. */
int guard_seccomp(const struct tracee *tracee, bool agent, struct load_error *err);

#endif
