/* SPDX-License-Identifier: MIT */
/* output - see output.h. */
#include "loader/output/output.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "formats/rights/rights.h"
#include "loader/base/fault.h"

#define FOLDER "pymem_out"

static void output_stamp(char buf[32])
{
	struct tm tm;
	const time_t now = time(NULL);

	localtime_r(&now, &tm);
	strftime(buf, 32, "%Y%m%d%H%M%S", &tm);
}

/* Expands %n %p %t %%; other characters stay. -1: too long. */
static int output_expand(char *dst, size_t size, const char *name, uint64_t number,
			 int pid)
{
	char piece[40];
	size_t used = 0;

	for (const char *s = name; *s; s++) {
		snprintf(piece, sizeof(piece), "%c", *s);
		if (s[0] == '%' && s[1] && strchr("npt%", s[1])) {
			s++;
			if (*s == 'n')
				snprintf(piece, sizeof(piece), "%03" PRIu64, number);
			else if (*s == 'p')
				snprintf(piece, sizeof(piece), "%d", pid);
			else if (*s == 't')
				output_stamp(piece);
		}
		const size_t n = strlen(piece);
		if (used + n >= size)
			return -1;
		memcpy(dst + used, piece, n);
		used += n;
	}
	dst[used] = '\0';
	return 0;
}

/* "dir/base" -> dir ("." if none), "/" kept. */
static void output_folder_of(char *dst, size_t size, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		snprintf(dst, size, ".");
	else
		snprintf(dst, size, "%.*s", slash == path ? 1 : (int)(slash - path),
			 path);
}

/* Makes a name up beside the output's that cannot be guessed. */
static void output_temporary_name(struct output *out, int tries)
{
	const char *slash = strrchr(out->name, '/');
	uint64_t r = 0;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		r = (uint64_t)getpid() << 32 ^ (uint64_t)tries;
	snprintf(out->temporary, sizeof(out->temporary), "%.*s.pymem-%016" PRIx64 ".part",
		 slash ? (int)(slash - out->name + 1) : 0, out->name, r);
}

static int output_open_temporary(struct output *out, char error[512])
{
	char dir[PATH_MAX];

	output_folder_of(dir, sizeof(dir), out->name);
	out->seekable = true;
	out->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	out->unnamed = out->fd >= 0;
	for (int tries = 0; out->fd < 0 && tries < 100; tries++) {
		output_temporary_name(out, tries);
		out->fd = open(out->temporary,
			       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (out->fd < 0 && errno != EEXIST)
			break;
	}
	if (out->fd >= 0) {
		rights_give(out->fd);
		return 0;
	}
	out->temporary[0] = '\0';
	snprintf(error, 512,
		 "cannot write in %.350s: %s; choose another place with -f FILE", dir,
		 strerror(errno));
	return -1;
}

/* Gives an unnamed file its temporary name (proc(5): /proc/PID/fd can be linked). */
static int output_name_temporary(struct output *out)
{
	char self[64];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", out->fd);
	for (int tries = 0; tries < 100; tries++) {
		output_temporary_name(out, tries);
		if (linkat(AT_FDCWD, self, AT_FDCWD, out->temporary, AT_SYMLINK_FOLLOW) ==
		    0) {
			out->unnamed = false;
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	const int err = errno;
	out->temporary[0] = '\0';
	errno = err;
	return -1;
}

static int output_make_name(struct output *out, const char *name, uint64_t number,
			    int pid, char error[512])
{
	if (name) {
		if (!*name ||
		    output_expand(out->name, sizeof(out->name), name, number, pid) < 0) {
			snprintf(error, 512, "the name of the output file is %s",
				 *name ? "too long" : "empty");
			return -1;
		}
		return 0;
	}
	if (rights_make_folder(FOLDER, 0700) < 0 && errno != EEXIST) {
		snprintf(error, 512,
			 "cannot make the folder " FOLDER " here: %s; choose "
			 "another place with -f FILE",
			 strerror(errno));
		return -1;
	}
	char when[32];
	output_stamp(when);
	snprintf(out->name, sizeof(out->name), FOLDER "/pymem-snapshot-%s.pymem", when);
	out->chosen = true;
	return 0;
}

/* Opens what isn't a regular file (FIFO, device) directly: nothing to rename there. */
static int output_open_direct(struct output *out, char error[512])
{
	out->fd = open(out->name, O_WRONLY | O_CLOEXEC);
	if (out->fd >= 0)
		return 0;
	snprintf(error, 512, "cannot open %.400s: %s", out->name, strerror(errno));
	return -1;
}

int output_stdout(char error[512])
{
	const int flags = fcntl(STDOUT_FILENO, F_GETFL);
	int fd = -1;

	if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY)
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		snprintf(error, 512, "standard output isn't open for writing");
	return fd;
}

int output_open(struct output *ret, const char *name, uint64_t number, int pid,
		char error[512])
{
	struct stat st;

	*ret = (struct output){ .fd = -1 };
	if (name && strcmp(name, "-") == 0) {
		strcpy(ret->name, "-");
		ret->fd = output_stdout(error);
		if (ret->fd < 0)
			return -1;
		if (!isatty(ret->fd))
			return 0;
		snprintf(error, 512,
			 "refusing to write a snapshot to a terminal: redirect it, or "
			 "name a file with -f FILE");
		output_discard(ret);
		return -1;
	}
	if (output_make_name(ret, name, number, pid, error) < 0)
		return -1;
	if (stat(ret->name, &st) == 0 && S_ISDIR(st.st_mode)) {
		snprintf(error, 512, "%.400s is a folder: name a file with -f",
			 ret->name);
		return -1;
	}
	if (!ret->chosen && stat(ret->name, &st) == 0 && !S_ISREG(st.st_mode))
		return output_open_direct(ret, error);
	/* it would be replaced (/dev/stdout), or somebody chose what is */
	if (lstat(ret->name, &st) == 0 && S_ISLNK(st.st_mode)) {
		snprintf(error, 512,
			 "%.400s is a symbolic link: name the file that it leads to, or "
			 "- for standard output",
			 ret->name);
		return -1;
	}
	return output_open_temporary(ret, error);
}

/* Gives the temporary file its name, replacing nothing. 0 or -1 with errno. */
static int output_place_new(struct output *out)
{
	char stem[PATH_MAX];
	const size_t n = strlen(out->name) - strlen(".pymem");

	snprintf(stem, sizeof(stem), "%.*s", (int)n, out->name);
	for (int i = 2; link(out->temporary, out->name) < 0; i++) {
		if (errno == EPERM || errno == ENOSYS || errno == EOPNOTSUPP)
			return rename(out->temporary, out->name); /* no links there */
		if (errno != EEXIST || i > 1000)
			return -1;
		if (snprintf(out->name, sizeof(out->name), "%s-%d.pymem", stem, i) >=
		    (int)sizeof(out->name))
			return -1;
	}
	return unlink(out->temporary);
}

static int output_sync_folder(const char *name)
{
	char dir[PATH_MAX];

	output_folder_of(dir, sizeof(dir), name);
	const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0; /* a folder one may write but not read: nothing to be done */
	const int r = fsync(fd);
	const int err = errno;
	close(fd);
	errno = err;
	return r < 0 && err != EINVAL && err != EROFS ? -1 : 0;
}

int output_commit(struct output *out, char error[512])
{
	const char *step = "write";
	int r = 0;

	fault_point("written");
	if (out->temporary[0] || out->unnamed) {
		if (fsync(out->fd) < 0) {
			r = -1;
		} else if (step = "name",
			   out->unnamed && output_name_temporary(out) < 0) {
			r = -1;
		} else if (step = "name",
			   (out->chosen ? output_place_new(out) :
					  rename(out->temporary, out->name)) < 0) {
			r = -1;
		} else {
			fault_point("named");
			out->temporary[0] = '\0';
			step = "write the folder of";
			r = output_sync_folder(out->name);
		}
	}
	const int err = errno;
	if (r < 0) {
		snprintf(error, 512, "cannot %s %.400s: %s", step, out->name,
			 strerror(err));
		output_discard(out);
		return -1;
	}
	if (close(out->fd) < 0 && errno != EINTR) {
		snprintf(error, 512, "cannot write %.400s: %s", out->name,
			 strerror(errno));
		r = -1;
	}
	out->fd = -1;
	return r;
}

void output_discard(struct output *out)
{
	if (out->temporary[0])
		unlink(out->temporary);
	out->temporary[0] = '\0';
	if (out->fd >= 0)
		close(out->fd);
	out->fd = -1;
}

/* Unnamed from birth where the file system can, else named for an instant. */
static int output_scratch_in(const char *dir)
{
	char path[PATH_MAX + 32];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	snprintf(path, sizeof(path), "%s/.pymem-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

int output_scratch(const char *beside, char error[512])
{
	char dir[PATH_MAX];
	const char *tmp = getenv("TMPDIR");
	int fd = -1;

	if (beside) {
		output_folder_of(dir, sizeof(dir), beside);
		fd = output_scratch_in(dir);
	}
	if (fd < 0 && tmp && *tmp)
		fd = output_scratch_in(tmp);
	if (fd < 0)
		fd = output_scratch_in("/tmp");
	if (fd < 0)
		snprintf(error, 512, "cannot make a temporary file: %s", strerror(errno));
	return fd;
}

void output_scratch_folder(int fd, char *ret, size_t size)
{
	char self[64], path[PATH_MAX];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	const ssize_t n = readlink(self, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	output_folder_of(ret, size, path);
}

int output_write(int fd, const void *data, uint64_t size)
{
	const char *p = data;

	assert(fd >= 0);
	while (size > 0) {
		const ssize_t n = write(fd, p, size > 1 << 30 ? 1 << 30 : (size_t)size);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd w = { .fd = fd, .events = POLLOUT };

			poll(&w, 1, -1);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		size -= (uint64_t)n;
	}
	return 0;
}

int output_append(int to, int from)
{
	char buf[65536];
	off_t at = 0;

	assert(to != from);
	for (;;) {
		const ssize_t n = pread(from, buf, sizeof(buf), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		const int r = output_write(to, buf, (uint64_t)n);
		if (r < 0)
			return r;
		at += n;
	}
}
