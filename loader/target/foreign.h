/* SPDX-License-Identifier: MIT */
/*
 * foreign - the only way to files of another process.
 *
 * A process that is captured may be its administrator's enemy: it chooses what its
 * descriptors, its root and its working directory mean, and may change that between
 * any two calls of ours.  What lies behind /proc/PID/fd, root, cwd, map_files and exe
 * is therefore named here and nowhere else (tests/checks/foreign.py), and by these
 * rules:
 *  - Nothing is created, opened for writing or written with rights that the target
 *    hasn't itself.  A descriptor comes by pidfd_getfd(2), which hands over the
 *    target's own open file, with its mode; or is opened with the target's user,
 *    group and capabilities.
 *  - What was so obtained is looked at, in ways that ask no file system (F_GET_SEALS,
 *    socket options, statx with AT_STATX_DONT_SYNC), before it is used: is it what
 *    was to be made?
 *  - A path is walked below the target's root, as its own root, through no magic link,
 *    to a directory or a regular file, which is opened O_NONBLOCK and read within
 *    bounds.
 *  - Which file a descriptor is, its link's text tells, or where that is hidden, its
 *    fdinfo: nothing is opened.
 *
 * A file system of the target's own (FUSE) may let any walk wait for ever; whoever
 * calls runs under a clock that ends the process (helper.h, deadline.h).
 */
#ifndef PYMEM_LOADER_TARGET_FOREIGN_H
#define PYMEM_LOADER_TARGET_FOREIGN_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process;

/*
 * The target's descriptor fd as one of ours (close-on-exec), or a negative errno.  It
 * is the same open file: what the target sets there (O_NONBLOCK) holds for us too.
 */
int foreign_take(int pidfd, int fd);
/* Is it a memfd that nobody has written, resized or sealed against writing? */
bool foreign_is_new_memory(int fd);
/* Is it one end of a connected pair of this type that process `maker` made? */
bool foreign_is_pair(int fd, int type, pid_t maker);
/*
 * Our own open file, non-blocking, of the unnamed pipe that is descriptor fd of
 * thread tid of pid; opened with the rights of `process` (pid itself, or what it's a
 * copy of). A negative errno; -EBADF: it's no such pipe.  Only in a process with one
 * thread (a helper's).
 */
int foreign_open_pipe(const struct process *process, pid_t pid, pid_t tid, int fd,
		      bool writes);

enum foreign_kind { FOREIGN_NONE, FOREIGN_SOCKET, FOREIGN_PIPE, FOREIGN_MEMORY };

struct foreign_file {
	enum foreign_kind kind; /* NONE: another one, or no descriptor of that number */
	uint64_t inode;
	char name[64]; /* of a memfd, cut to this */
};

/* What is descriptor fd of a thread?  Nothing is opened. */
struct foreign_file foreign_look(pid_t pid, pid_t tid, int fd);
/*
 * The same, for who may trace but not search /proc/PID/fd (mode 0500): fdinfo shows
 * itself to tracers (fs/proc/fd.c proc_fdinfo_permission, since Linux 5.14; NONE before).
 */
struct foreign_file foreign_look_traced(pid_t pid, pid_t tid, int fd);
/* A folder whose names are the numbers of its descriptors; NULL with errno. */
DIR *foreign_list(pid_t pid, pid_t tid);

/*
 * What lies at a path from the target's root, as an O_PATH descriptor (what it is, is
 * for the caller to look at), or a negative errno; -EACCES: its root is hidden from us.
 * links: may symbolic links, below that root, be followed?  Not before Linux 5.6.
 */
int foreign_path(pid_t pid, pid_t tid, const char *path, bool links);
/* A regular file below a directory so found, as process_read_text gives one. */
char *foreign_read(int directory, const char *path, size_t limit);
/*
 * A regular file to be read, below a directory that stands for the root (links are
 * followed within it); a negative errno.  For files that a core names.
 */
int foreign_open_below(int directory, const char *path);

/* Device and inode of the program's file.  False: unknown. */
bool foreign_program(pid_t pid, dev_t *dev, ino_t *inode);

#endif
