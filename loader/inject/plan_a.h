/* SPDX-License-Identifier: MIT */
/* plan_a - the agent on a borrowed thread: load it, start it, take it out. */
#ifndef PYMEM_LOADER_INJECT_PLAN_A_H
#define PYMEM_LOADER_INJECT_PLAN_A_H

#include "loader/inject/agent_image.h"
#include "loader/inject/errand.h"
#include "loader/inject/leftover.h"

/* Input of the errands below (errand->input). */
struct plan_a {
	struct agent_image *image;	  /* load */
	uint64_t handle;		  /* eject: dlclose this; 0 = don't */
	uint64_t region, region_size;	  /* eject: unmap */
	const struct leftover *leftover;  /* to be given back; eject: may be NULL */
	const struct errand_result *ends; /* eject: to be closed, NULL = none */
};

/* errand_work: loads the agent (or starts a kept one) and fills errand->result. */
int plan_a_load(struct errand *errand, struct load_error *err);
/* errand_work: dlclose, unmap. */
int plan_a_eject(struct errand *errand, struct load_error *err);

#endif
