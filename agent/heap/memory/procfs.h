/* SPDX-License-Identifier: MIT */
/*
 * procfs - reading text of /proc line by line with raw reads: no stdio, no
 * malloc, so it works in a forked copy whose locks are in any state.
 */
#ifndef PYMEM_AGENT_HEAP_MEMORY_PROCFS_H
#define PYMEM_AGENT_HEAP_MEMORY_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct walk_options;

struct procfs {
	int fd;
	char *buf;
	size_t size, pos, end;
	bool eof;
};

/*
 * Opens "/proc/PID/file" (pid 0: ours, sys_open_own), read-only and close-on-exec.
 * Returns the fd, or a negative errno: -ENOENT of whatever it is in an image.
 */
int procfs_open_file(uint32_t pid, const char *file);

/* Gets lines from fd through buf (owned by the caller, at least 8 KiB). */
void procfs_init(struct procfs *file, int fd, char *buf, size_t size);

/*
 * The next line without its newline, NUL-terminated in the buffer, valid until
 * the next call; NULL at the end of the file or on an error.  A line longer than
 * the buffer comes in pieces.
 */
char *procfs_line(struct procfs *file);

/*
 * Whole content of a small file, NUL-terminated, without the last newline.
 * Returns its length, or a negative errno.
 */
long procfs_read(uint32_t pid, const char *file, char *buf, size_t size);

/*
 * The process whose memory the walk describes, by a task of it that runs the same
 * program (it may be gone, its number another's), else 0 = ourselves.
 */
uint32_t procfs_target(const struct walk_options *options);

#endif
