/* SPDX-License-Identifier: MIT */
/* agent_method - the agent on a borrowed thread: load it, start it, take it out. */
#ifndef PYMEM_LOADER_INJECT_AGENT_METHOD_H
#define PYMEM_LOADER_INJECT_AGENT_METHOD_H

#include "loader/inject/method_input.h"

/* helper_work, input struct method_input: loads the agent (or starts a kept one) and
 * fills helper->result. */
int agent_method_load(struct helper *helper, struct load_error *err);
/* helper_work, the same input: dlclose, unmap. */
int agent_method_eject(struct helper *helper, struct load_error *err);

#endif
