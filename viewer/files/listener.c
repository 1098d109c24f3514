/* SPDX-License-Identifier: MIT */
/* listener - see listener.h. */
#include "viewer/files/listener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

/* The folder and the two names of a socket in it: until it is listened on, and after. */
struct listener_place {
	int folder; /* O_PATH */
	char first[32];
	const char *name;
};

/* 0 or a negative errno. */
static int listener_place_open(struct listener_place *place, const char *path)
{
	char folder[LISTENER_PATH_MAX + 1];
	const char *const slash = strrchr(path, '/');
	uint32_t random;

	place->name = slash ? slash + 1 : path;
	if (!*place->name)
		return -EISDIR;
	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
		 slash ? path : ".");
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	snprintf(place->first, sizeof(place->first), ".pymem-%08x", random);
	place->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return place->folder < 0 ? -errno : 0;
}

/* Under its first name; by way of the open folder where that is longer than a name of a
 * socket may be. */
static int listener_bind_first(const struct listener_place *place, int fd,
			       const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%.*s%s",
			       (int)(place->name - path), path, place->first);

	if (n >= (int)sizeof(addr.sun_path))
		snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s",
			 place->folder, place->first);
	return listener_bind_private(fd, &addr);
}

/* Gives it its name, if nothing has that. -1 with errno: EEXIST. */
static int listener_name_free(const struct listener_place *place)
{
	const int rc = (int)syscall(SYS_renameat2, place->folder, place->first,
				    place->folder, place->name, RENAME_NOREPLACE);

	if (rc == 0 || (errno != EINVAL && errno != ENOSYS))
		return rc;
	/* before Linux 3.15, and in file systems that can't do that */
	if (linkat(place->folder, place->first, place->folder, place->name, 0) < 0)
		return -1;
	return unlinkat(place->folder, place->first, 0);
}

/* ... or in the place of one that nobody listens on. */
static int listener_name_it(const struct listener_place *place,
			    const struct sockaddr_un *addr)
{
	int rc = listener_name_free(place);

	if (rc < 0 && errno == EEXIST && listener_is_stale(addr) &&
	    unlinkat(place->folder, place->name, 0) == 0)
		rc = listener_name_free(place);
	if (rc < 0 && errno == EEXIST)
		errno = EADDRINUSE;
	return rc;
}

int listener_open(struct listener *ret, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct listener_place place;
	struct stat st;
	int err, fd;

	assert(*path && strlen(path) <= LISTENER_PATH_MAX);
	strcpy(addr.sun_path, path);
	ret->fd = -1;
	err = listener_place_open(&place, path);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || listener_bind_first(&place, fd, path) < 0) {
		err = -errno;
	} else if (fstatat(place.folder, place.first, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		   listen(fd, 64) < 0 || listener_name_it(&place, &addr) < 0) {
		err = -errno;
		unlinkat(place.folder, place.first, 0);
	}
	close(place.folder);
	if (err) {
		if (fd >= 0)
			close(fd);
		return err;
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
