/* SPDX-License-Identifier: MIT */
/*
 * copy_state - readies what a copy inherited of threads that aren't in it.
 *
 * A copy has one thread.  Locks that others held at the instant of the clone
 * would be held for ever: those of the dynamic loader and the GIL are freed.  And
 * the functions of CPython that the walk calls expect a current thread state
 * (Python/pystate.c): if the thread that was cloned has none, it takes the GIL of
 * the copy.
 */
#ifndef PYMEM_LOADER_INJECT_COPY_STATE_H
#define PYMEM_LOADER_INJECT_COPY_STATE_H

#include "loader/inject/remote.h"

/* Frees the dynamic loader's locks. */
void copy_state_free_loader(struct remote *remote);
/*
 * Makes a thread state current.  0, also when that isn't possible or the
 * target has no interpreter yet; -1 with *err: the copy is of no use.
 */
int copy_state_take_gil(struct remote *remote, struct load_error *err);

#endif
