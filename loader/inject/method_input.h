/* SPDX-License-Identifier: MIT */
/* method_input - what the works of both methods are given (helper->input). */
#ifndef PYMEM_LOADER_INJECT_METHOD_INPUT_H
#define PYMEM_LOADER_INJECT_METHOD_INPUT_H

#include "loader/inject/agent_image.h"
#include "loader/inject/helper.h"
#include "loader/inject/orphans.h"

struct method_input {
	struct agent_image *image;	  /* load */
	uint64_t handle;		  /* eject: dlclose this; 0 = don't */
	uint64_t region, region_size;	  /* eject: unmap */
	const struct orphans *orphans;	  /* to be given back; eject: may be NULL */
	const struct helper_result *ends; /* eject: to be closed, NULL = none */
};

#endif
