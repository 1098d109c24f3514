/* SPDX-License-Identifier: MIT */
/*
 * live - the viewer opened on a capture that is still going on.
 *
 * Contract with the viewer:
 *
 *	pymem-view --live-fd N [--compare OLD] FILE
 *
 * N is an inherited descriptor (a SOCK_STREAM socket, read only) on which the
 * snapshot's bytes come as they are written: whole blocks of SNAPSHOT.md, in
 * order, then end of file.  FILE is the name that the snapshot will have when
 * it is complete: it need not exist before the end of file and is not read
 * before it.  If the first try of a walk failed and a second one is made, the
 * bytes of the second process follow those of the first, truncated one.
 * End of file without an END block: the capture failed or was cancelled.
 * The viewer may end at any time; the capture goes on without it.
 *
 * Nothing here ever waits for the viewer: what it has not taken yet is read
 * again from the output file, so a viewer that is slow, or stopped with
 * Ctrl-Z, holds up neither the walk nor the target.
 */
#ifndef PYMEM_LOADER_LIVE_H
#define PYMEM_LOADER_LIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct live {
	int fd;			/* our end, non-blocking; -1 = no viewer (any more) */
	pid_t viewer;		/* its pid, 0 = none was started, or it ended */
	int status;		/* its wait status once it has ended, else -1 */
	int file;		/* where the bytes are read again; our own duplicate */
	uint64_t sent, have;	/* offsets in file: sent so far, written so far */
};

#define LIVE_NONE ((struct live){ .fd = -1, .file = -1, .status = -1 })

/*
 * Starts `viewer` (a path) on a new socket; file: descriptor of the output,
 * readable (duplicated here); bytes from offset `start` on will be sent.  compare: an older
 * snapshot or NULL.  name: the output's final name.  0 or a negative errno.
 */
int live_start(struct live *live, const char *viewer, const char *compare, const char *name,
	       int file, uint64_t start);
/* Output now holds bytes up to offset `have`: sends what the viewer takes at once. */
void live_pump(struct live *live, uint64_t have);
/* True while bytes are waiting: poll live->fd for POLLOUT and pump again. */
bool live_pending(const struct live *live);
/*
 * A new try begins: the output is about to be cut to `start` and written again
 * from there.  What waits is sent first (nothing walks now: at most 10 s, then
 * the viewer gets end of file).
 */
void live_restart(struct live *live, uint64_t start);
/*
 * No more bytes will come: sends the rest (waiting as long as the viewer
 * lives), gives it end of file.
 */
void live_finish(struct live *live);
/* Waits for the viewer to end; its wait status, or -1 when there was none. */
int live_wait(struct live *live);

#endif
