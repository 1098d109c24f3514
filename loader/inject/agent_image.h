/* SPDX-License-Identifier: MIT */
/*
 * agent_image - brings the bytes of libpymemagent.so, with the start
 * configuration filled in, to where the target can dlopen them.
 *
 * The first choice is a memfd that the target makes: no file need be visible in
 * its mount namespace, no namespace is entered, and it works with every
 * vm.memfd_noexec setting (MFD_NOEXEC_SEAL files can still be mapped executable;
 * memfd_create(2)).  We write it through the target's own open file, which
 * pidfd_getfd(2) hands over: whatever the target puts in its place, we can write
 * there what the target could, and only if it is a new memfd.  Where pidfd_getfd is
 * missing or forbidden the borrowed thread writes it, from memory of the region.
 * Where memfds or the target's /proc are missing, a file, 0600, in the target's
 * /tmp, /var/tmp, /dev/shm, /run or working directory: the borrowed thread makes and
 * writes it, with the target's rights; the agent removes it as soon as it is loaded,
 * or, if it never is, a borrowed thread.
 */
#ifndef PYMEM_LOADER_INJECT_AGENT_IMAGE_H
#define PYMEM_LOADER_INJECT_AGENT_IMAGE_H

#include "loader/inject/remote.h"

struct agent_image {
	void *data; /* a copy of options->agent; freed by agent_image_free */
	size_t size;
	uint32_t *calls; /* the system calls that the agent notes (agent/base/sys.h) */
	size_t call_count;
	size_t block;	/* offset of struct pymem_start in data */
	int remote_fd;	/* memfd in the target, -1 = none */
	char path[160]; /* for dlopen, in the target's view */
	bool placed;	/* there is a file of that name to be removed */
};

/* Copies the agent and finds its start block. -1 with *err if there's none. */
int agent_image_init(struct agent_image *image, const struct inject_options *options,
		     struct load_error *err);
void agent_image_free(struct agent_image *image);
/*
 * Does the thread see a /proc of its own? Without one the agent can't read its
 * mappings: leave it room for their text (agent_image_reserve_maps, before the start is
 * given to the agent) and write it (agent_image_write_maps, once all is mapped).
 */
bool agent_image_has_proc(const struct tracee *tracee);
/* The number of the thread in that /proc; 0 = there is none. */
pid_t agent_image_own_tid(const struct tracee *tracee);
/* Of the memory [addr, addr + size) in the target takes what the text needs; returns
 * how much that is, 0 = nothing: it has its own /proc or there isn't room. */
uint64_t agent_image_reserve_maps(const struct tracee *tracee, struct pymem_start *start,
				  uint64_t addr, uint64_t size);
void agent_image_write_maps(const struct tracee *tracee, const struct pymem_start *start);
/* Fills the block (configured = 1). */
void agent_image_configure(struct agent_image *image, const struct pymem_start *start);
/*
 * Makes it loadable by the thread that is borrowed: sets path.  pidfd: of the process
 * that the thread is in, -1 = none.
 */
int agent_image_place(struct agent_image *image, struct remote *remote, int pidfd,
		      struct load_error *err);
/* The agent runs, and with it the memfd was closed, or it removes the file. */
void agent_image_loaded(struct agent_image *image);
/* It doesn't: closes the memfd in the target, removes the file. */
int agent_image_remove(struct agent_image *image, struct remote *remote,
		       struct load_error *err);

#endif
