/* SPDX-License-Identifier: MIT */
/* owned_fd - see owned_fd.h. */
#include "agent/snap/owned_fd.h"

#include <string.h>
#include <sys/stat.h>

#include "agent/base/sys.h"

static bool owned_fd_identity(int fd, uint64_t *device, uint64_t *inode, bool *is_socket)
{
	struct stat st;

	memset(&st, 0, sizeof(st));
#ifdef SYS_newfstatat
	if (sys_failed(sys4(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH)))
		return false;
#else
	if (sys_failed(sys2(SYS_fstat, fd, &st)))
		return false;
#endif
	*device = st.st_dev;
	*inode = st.st_ino;
	*is_socket = S_ISSOCK(st.st_mode);
	return true;
}

void owned_fd_set(struct owned_fd *own, int fd)
{
	own->fd = fd;
	if (fd < 0 || !owned_fd_identity(fd, &own->device, &own->inode, &own->socket))
		own->fd = -1;
}

bool owned_fd_ok(const struct owned_fd *own)
{
	uint64_t device, inode;
	bool is_socket;

	return own->fd >= 0 && owned_fd_identity(own->fd, &device, &inode, &is_socket) &&
		device == own->device && inode == own->inode;
}

void owned_fd_close(struct owned_fd *own)
{
	if (owned_fd_ok(own))
		sys_close(own->fd);
	own->fd = -1;
}
