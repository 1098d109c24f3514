/* SPDX-License-Identifier: MIT */
/*
 * The listening socket.
 *
 * umask is process-wide, so it is set around bind(2) only: unix(7) takes the
 * socket's mode from it, and a chmod afterwards would leave a moment in which
 * others could connect.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "viewer/live/feed_internal.h"

/* True when the socket at addr is a left-over: nobody accepts on it. */
static bool feed_socket_is_stale(const struct sockaddr_un *addr)
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

static int feed_socket_bind_private(int fd, const struct sockaddr_un *addr)
{
	mode_t old = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));
	int saved = errno;
	umask(old);
	errno = saved;
	return rc;
}

int feed_listen(struct feed *feed, const char *path, char *err, size_t size)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	if (strlen(path) >= sizeof(addr.sun_path) || !*path) {
		snprintf(err, size, "the socket's path must have 1 to %zu bytes",
			 sizeof(addr.sun_path) - 1);
		return -1;
	}
	strcpy(addr.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto fail;
	int rc = feed_socket_bind_private(fd, &addr);
	if (rc < 0 && errno == EADDRINUSE && feed_socket_is_stale(&addr) &&
	    unlink(path) == 0)
		rc = feed_socket_bind_private(fd, &addr);
	if (rc < 0)
		goto fail;
	if (listen(fd, 64) < 0 || lstat(path, &st) < 0) {
		unlink(path);
		goto fail;
	}
	feed->listener = fd;
	strcpy(feed->path, path);
	feed->dev = st.st_dev;
	feed->ino = st.st_ino;
	return 0;
fail:
	snprintf(err, size, "cannot listen on %s: %s", path,
		 errno == EADDRINUSE ? "something is there already (another viewer?)" :
				       strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

int feed_socket_accept(const struct feed *feed, struct ucred *peer_ret)
{
	socklen_t length = sizeof(*peer_ret);
	int fd = accept4(feed->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer_ret, &length) < 0)
		*peer_ret = (struct ucred){ .uid = (uid_t)-1 };
	return fd;
}

void feed_close_socket(struct feed *feed)
{
	struct stat st;
	if (feed->listener < 0)
		return;
	close(feed->listener);
	feed->listener = -1;
	if (lstat(feed->path, &st) == 0 && st.st_dev == feed->dev &&
	    st.st_ino == feed->ino)
		unlink(feed->path);
}
