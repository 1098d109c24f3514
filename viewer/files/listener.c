/* SPDX-License-Identifier: MIT */
/* listener - see listener.h. */
#include "viewer/files/listener.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* True when the socket at addr is a left-over: nobody accepts on it. */
static bool listener_is_stale(const struct sockaddr_un *addr)
{
	struct stat st;

	if (lstat(addr->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	int rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
	bool stale = rc < 0 && errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int listener_bind_private(int fd, const struct sockaddr_un *addr)
{
	mode_t old = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));
	int saved = errno;

	umask(old);
	errno = saved;
	return rc;
}

int listener_open(struct listener *ret, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;

	assert(*path && strlen(path) <= LISTENER_PATH_MAX);
	strcpy(addr.sun_path, path);
	ret->fd = -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int rc = listener_bind_private(fd, &addr);
	if (rc < 0 && errno == EADDRINUSE && listener_is_stale(&addr) &&
	    unlink(path) == 0)
		rc = listener_bind_private(fd, &addr);
	const bool bound = rc == 0;
	if (!bound || listen(fd, 64) < 0 || lstat(path, &st) < 0) {
		const int err = errno;
		if (bound)
			unlink(path);
		close(fd);
		return -err;
	}
	*ret = (struct listener){ .fd = fd, .dev = st.st_dev, .ino = st.st_ino };
	strcpy(ret->path, path);
	return 0;
}

int listener_accept(const struct listener *listener, struct ucred *peer_ret)
{
	socklen_t length = sizeof(*peer_ret);
	int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer_ret, &length) < 0)
		*peer_ret = (struct ucred){ .uid = (uid_t)-1 };
	return fd;
}

void listener_close(struct listener *listener)
{
	struct stat st;

	if (listener->fd < 0)
		return;
	close(listener->fd);
	listener->fd = -1;
	if (listener->path[0] && lstat(listener->path, &st) == 0 &&
	    st.st_dev == listener->dev && st.st_ino == listener->ino)
		unlink(listener->path);
}
