/* SPDX-License-Identifier: MIT */
/*
 * agent_image - brings the bytes of libpymemagent.so, with the start
 * configuration filled in, to where the target can dlopen them.
 *
 * The first choice is a memfd made in the target and written by us through
 * /proc/PID/fd: no file need be visible in the target's mount namespace, no
 * namespace is entered, and it works with every vm.memfd_noexec setting
 * (MFD_NOEXEC_SEAL files can still be mapped executable; memfd_create(2)).
 * Where memfds or the target's /proc are missing, a file of the target's own
 * user, 0600, in its /tmp, /var/tmp, /dev/shm, /run or working directory, which
 * is removed as soon as it is loaded.
 */
#ifndef PYMEM_LOADER_INJECT_AGENT_IMAGE_H
#define PYMEM_LOADER_INJECT_AGENT_IMAGE_H

#include "loader/inject/remote_call.h"

struct agent_image {
	void *data; /* a copy of options->agent; freed by agent_image_free */
	size_t size;
	uint32_t *calls; /* the system calls that the agent notes (agent/base/sys.h) */
	size_t call_count;
	size_t block;	     /* offset of struct pymem_start in data */
	int remote_fd;	     /* memfd in the target, -1 = none */
	char path[160];	     /* for dlopen, in the target's view */
	char host_path[320]; /* the file, in ours; "" = a memfd */
};

/* Copies the agent and finds its start block. -1 with *err if there's none. */
int agent_image_init(struct agent_image *image, const struct inject_options *options,
		     struct load_error *err);
void agent_image_free(struct agent_image *image);
/*
 * Does the thread see a /proc of its own? Without one the agent can't read its
 * mappings: leave it room for their text (agent_maps_reserve, before the start is
 * given to the agent) and write it (agent_maps_write, once all is mapped).
 */
bool agent_image_has_proc(const struct tracee *tracee);
/* The number of the thread in that /proc; 0 = there is none. */
pid_t agent_image_own_tid(const struct tracee *tracee);
/* Of the memory [addr, addr + size) in the target takes what the text needs; returns
 * how much that is, 0 = nothing: it has its own /proc or there isn't room. */
uint64_t agent_maps_reserve(const struct tracee *tracee, struct pymem_start *start,
			    uint64_t addr, uint64_t size);
void agent_maps_write(const struct tracee *tracee, const struct pymem_start *start);
/* Fills the block (configured = 1). */
void agent_image_configure(struct agent_image *image, const struct pymem_start *start);
/*
 * Makes it loadable by the thread that is borrowed: sets path.
 */
int agent_image_place(struct agent_image *image, struct remote *remote,
		      struct load_error *err);
/* Closes the memfd in the target, removes the file. */
int agent_image_remove(struct agent_image *image, struct remote *remote,
		       struct load_error *err);

#endif
