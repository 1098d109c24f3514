/* SPDX-License-Identifier: MIT */
/* agent_method - the agent on a borrowed thread: load it, start it, take it out. */
#ifndef PYMEM_LOADER_INJECT_AGENT_METHOD_H
#define PYMEM_LOADER_INJECT_AGENT_METHOD_H

#include "loader/inject/agent_image.h"
#include "loader/inject/helper.h"
#include "loader/inject/orphans.h"

/* Input of the works below (helper->input). */
struct method_input {
	struct agent_image *image;	  /* load */
	uint64_t handle;		  /* eject: dlclose this; 0 = don't */
	uint64_t region, region_size;	  /* eject: unmap */
	const struct orphans *orphans;	  /* to be given back; eject: may be NULL */
	const struct helper_result *ends; /* eject: to be closed, NULL = none */
};

/* helper_work: loads the agent (or starts a kept one) and fills helper->result. */
int agent_method_load(struct helper *helper, struct load_error *err);
/* helper_work: dlclose, unmap. */
int agent_method_eject(struct helper *helper, struct load_error *err);

#endif
