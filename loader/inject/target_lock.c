/* SPDX-License-Identifier: MIT */
/* target_lock - see target_lock.h. */
#include "loader/inject/target_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/target/process.h"

/* Who holds it: /proc/locks names files by device and inode. 0 = not found. */
static pid_t target_lock_holder(int fd)
{
	struct stat st;
	char *text = process_read_text("/proc/locks", 1 << 20, NULL);
	pid_t found = 0;

	if (!fstat(fd, &st)) {
		for (char *line = text; line && *line;) {
			long pid;
			unsigned long long inode;

			if (sscanf(line, "%*d: FLOCK %*s %*s %ld %*x:%*x:%llu", &pid,
				   &inode) == 2 &&
			    inode == st.st_ino)
				found = (pid_t)pid;
			line = strchr(line, '\n');
			line = line ? line + 1 : NULL;
		}
	}
	free(text);
	return found;
}

int target_lock_take(pid_t pid, struct load_error *err)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return load_fail(err, errno == ENOENT ? LOAD_E_GONE : LOAD_E_SYSTEM,
				 errno,
				 errno == ENOENT ? "there is no process %d" :
						   "/proc/%d can't be opened",
				 pid);
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	int sys = errno;
	pid_t other = sys == EWOULDBLOCK ? target_lock_holder(fd) : 0;
	close(fd);
	if (sys != EWOULDBLOCK)
		return load_fail(err, LOAD_E_SYSTEM, sys, "/proc/%d can't be locked: %s",
				 pid, strerror(sys));
	if (other)
		return load_fail(
			err, LOAD_E_BUSY, sys,
			"another pymem-load (process %d) is capturing process %d", other,
			pid);
	return load_fail(err, LOAD_E_BUSY, sys,
			 "another pymem-load is capturing process %d", pid);
}
