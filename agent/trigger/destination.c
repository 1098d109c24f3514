/* SPDX-License-Identifier: MIT */
/* destination - see destination.h. */
#include "agent/trigger/destination.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/base/sys.h"
#include "agent/base/phrase.h"

enum {
	OUTPUT_WORTH = 4096, /* bytes; a shorter part holds no objects */
	OUTPUT_WAIT_S = 10,  /* for a pipe that nobody empties */
};

/* Names of the files this process wrote, oldest first from `first`. */
static struct {
	int pid;
	unsigned first, count;
	char path[CONFIG_KEEP_MAX][DESTINATION_PATH];
} kept;

/* What the last failure left. */
static struct {
	int pid;
	char part[DESTINATION_PATH];
} left;

/* Civil date of a day count since 1970-01-01 (proleptic Gregorian calendar). */
static void destination_civil_date(uint64_t days, uint64_t *y, uint64_t *m, uint64_t *d)
{
	static const unsigned char length[] = { 31, 28, 31, 30, 31, 30,
						31, 31, 30, 31, 30, 31 };
	uint64_t year = 1970, month = 0;

	for (;; year++) {
		const bool leap = (year % 4 == 0 && year % 100) || year % 400 == 0;

		if (days < 365u + leap)
			break;
		days -= 365u + leap;
	}
	for (;; month++) {
		const bool leap = (year % 4 == 0 && year % 100) || year % 400 == 0;
		const uint64_t n = length[month] + (month == 1 && leap);

		if (days < n)
			break;
		days -= n;
	}
	*y = year;
	*m = month + 1;
	*d = days + 1;
}

static void destination_time(struct phrase *t, uint64_t seconds)
{
	uint64_t y, m, d;

	destination_civil_date(seconds / 86400, &y, &m, &d);
	phrase_padded(t, y, 4);
	phrase_padded(t, m, 2);
	phrase_padded(t, d, 2);
	phrase_padded(t, seconds / 3600 % 24, 2);
	phrase_padded(t, seconds / 60 % 60, 2);
	phrase_padded(t, seconds % 60, 2);
}

bool destination_name(const char *pattern, int pid, uint64_t seconds, unsigned sequence,
		      char *ret, size_t size)
{
	struct phrase t;

	phrase_init(&t, ret, size);
	for (const char *p = pattern; *p; p++) {
		if (*p != '%') {
			phrase_bytes(&t, p, 1);
			continue;
		}
		switch (*++p) {
		case 'p':
			phrase_u64(&t, (uint64_t)pid);
			break;
		case 't':
			destination_time(&t, seconds);
			if (sequence > 1) {
				phrase_str(&t, "-");
				phrase_u64(&t, sequence);
			}
			break;
		default:
			phrase_str(&t, "%");
			break;
		}
	}
	return !t.cut;
}

int destination_high_fd(int fd)
{
	long high;

	if (fd < 0)
		return fd;
	high = sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, DESTINATION_FD_MIN);
	if (high < 0)
		return fd;
	sys_close(fd);
	return (int)high;
}

/* The directory part of a path; "/" for files there. */
static void destination_directory_of(const char *path, char *ret, size_t size)
{
	const char *slash = strrchr(path, '/');
	struct phrase t;

	phrase_init(&t, ret, size);
	if (slash && slash > path)
		phrase_bytes(&t, path, (size_t)(slash - path));
	else
		phrase_str(&t, "/");
}

/*
 * What has a name: S_IFREG, S_IFDIR, S_IFIFO ..., through links too; 0 = nothing.  A link
 * to a file or to nothing is S_IFLNK: it, and not what it names, would be replaced.
 */
static unsigned destination_kind(const char *path)
{
	struct stat st;

	if (sys4(SYS_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (!S_ISLNK(st.st_mode))
		return st.st_mode & S_IFMT;
	if (sys4(SYS_newfstatat, AT_FDCWD, path, &st, 0) < 0 || S_ISREG(st.st_mode))
		return S_IFLNK;
	return st.st_mode & S_IFMT;
}

/* May a file get this name? 0, or a negative errno: what is there is none. */
static int destination_replaceable(const char *path)
{
	switch (destination_kind(path)) {
	case 0:
	case S_IFREG:
		return 0;
	case S_IFLNK:
		return -ELOOP;
	case S_IFDIR:
		return -EISDIR;
	case S_IFBLK:
		return -ENOTBLK;
	default:
		return -EEXIST;
	}
}

/* Removes a file, and nothing else that came to have its name. 0 or a negative errno. */
static int destination_remove(const char *path)
{
	const int rc = destination_replaceable(path);

	if (!rc)
		sys3(SYS_unlinkat, AT_FDCWD, path, 0);
	return rc;
}

/* The name now; the first of its times that is free. */
static int destination_name_now(const char *pattern, char *ret, size_t size)
{
	const uint64_t now = sys_clock_ns(CLOCK_REALTIME) / 1000000000u;
	const bool timed = strstr(pattern, "%t");

	for (unsigned sequence = 1;; sequence++) {
		if (!destination_name(pattern, sys_getpid(), now, sequence, ret, size))
			return -ENAMETOOLONG;
		if (!timed || sequence == 1000 || !destination_kind(ret))
			return 0;
	}
}

int destination_check(const struct trigger_config *config)
{
	char path[DESTINATION_PATH], dir[DESTINATION_PATH];
	int rc;

	if (!config->output[0])
		return 0;
	rc = destination_name_now(config->output, path, sizeof(path));
	if (rc < 0)
		return rc;
	switch (destination_kind(path)) {
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
		return (int)sys3(SYS_faccessat, AT_FDCWD, path, W_OK);
	case S_IFDIR:
		return (int)sys3(SYS_faccessat, AT_FDCWD, path, W_OK | X_OK);
	default:
		rc = destination_replaceable(path);
	}
	destination_directory_of(config->output, dir, sizeof(dir));
	if (rc || strchr(dir, '%'))
		return rc; /* depends on the process or the time: seen when written */
	return (int)sys3(SYS_faccessat, AT_FDCWD, dir, W_OK | X_OK);
}

static int destination_open_file(struct destination *o)
{
	struct phrase t;
	int fd, rc;

	phrase_init(&t, o->part, sizeof(o->part));
	phrase_str(&t, o->path);
	phrase_str(&t, ".part");
	if (t.cut)
		return -ENAMETOOLONG;
	rc = destination_replaceable(o->path);
	if (!rc)
		rc = destination_remove(o->part);
	if (rc < 0)
		return rc;
	fd = sys_open(o->part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	o->file = destination_high_fd(fd);
	return fd < 0 ? fd : 0;
}

/* A connected socket, or a negative errno. */
static int destination_connect(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct phrase t;
	long rc;
	int fd;

	phrase_init(&t, to.sun_path, sizeof(to.sun_path));
	phrase_str(&t, path);
	if (t.cut)
		return -ENAMETOOLONG;
	fd = destination_high_fd((int)sys3(
		SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (fd < 0)
		return fd;
	rc = sys3(SYS_connect, fd, &to, sizeof(to));
	if (rc == 0)
		rc = sys3(SYS_fcntl, fd, F_SETFL, 0); /* blocking again */
	if (rc < 0)
		sys_close(fd);
	return rc < 0 ? (int)rc : fd;
}

/*
 * A named pipe that somebody reads, or a device that is no terminal; or a negative errno
 * (-ENXIO: nobody reads).
 */
static int destination_open_node(const char *path, unsigned kind)
{
	const int fd =
		destination_high_fd(sys_open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY, 0));
	struct stat st;
	char terminal[64]; /* more than the kernel writes */
	long rc;

	if (fd < 0)
		return fd;
	rc = sys4(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH);
	if (!rc && (st.st_mode & S_IFMT) != kind)
		rc = -EEXIST; /* another since */
	if (!rc && sys3(SYS_ioctl, fd, TCGETS, terminal) == 0)
		rc = -ENOTTY;
	if (!rc)
		rc = sys3(SYS_fcntl, fd, F_SETFL, 0); /* blocking again */
	if (rc < 0)
		sys_close(fd);
	return rc < 0 ? (int)rc : fd;
}

/* The snapshot of a summary. False: path names none, or it would be too long. */
static bool destination_snapshot_of(const char *path, char *ret, size_t size)
{
	const size_t length = strlen(path), end = sizeof(".summary") - 1;
	struct phrase t;

	if (length < end || strcmp(path + length - end, ".summary") != 0)
		return false;
	phrase_init(&t, ret, size);
	phrase_bytes(&t, path, length - end);
	phrase_str(&t, ".pymem");
	return !t.cut;
}

/* The summary's name is free, or a file's, until then. */
static int destination_open_snapshot(struct destination *o)
{
	const int rc = destination_replaceable(o->path);
	struct phrase t;

	if (rc < 0)
		return rc;
	phrase_init(&t, o->summary, sizeof(o->summary));
	phrase_str(&t, o->path);
	return destination_snapshot_of(o->summary, o->path, sizeof(o->path)) ?
		destination_open_file(o) :
		-ENAMETOOLONG;
}

static int destination_open_output(const struct trigger_config *config,
				   struct destination *o)
{
	char pattern[DESTINATION_PATH];
	unsigned kind;
	struct phrase t;
	int rc = destination_name_now(config->output, o->path, sizeof(o->path));

	if (rc < 0)
		return rc;
	kind = destination_kind(o->path);
	switch (kind) {
	case S_IFDIR:
		phrase_init(&t, pattern, sizeof(pattern));
		phrase_str(&t, config->output);
		phrase_str(&t, "/pymem-%p-%t.pymem");
		rc = t.cut ? -ENAMETOOLONG :
			     destination_name_now(pattern, o->path, sizeof(o->path));
		return rc ? rc : destination_open_file(o);
	case S_IFIFO:
	case S_IFCHR:
		o->file = destination_open_node(o->path, kind);
		break;
	case S_IFSOCK:
		o->file = destination_connect(o->path);
		break;
	default:
		return config->summary ? destination_open_snapshot(o) :
					 destination_open_file(o);
	}
	o->stream = true;
	return o->file < 0 ? o->file : 0;
}

int destination_open(const struct trigger_config *config, struct destination *ret)
{
	int rc = 0, rc_socket = 0;

	ret->file = ret->socket = -1;
	ret->stream = false;
	ret->path[0] = ret->part[0] = ret->summary[0] = '\0';
	if (config->output[0])
		rc = destination_open_output(config, ret);
	if (config->socket[0])
		rc_socket = ret->socket = destination_connect(config->socket);
	if (ret->file >= 0 || ret->socket >= 0)
		return 0;
	return rc ? rc : rc_socket;
}

/* One write that can't end the process by SIGPIPE or SIGXFSZ, nor wait for ever. */
static long destination_put(int fd, const char *data, size_t size)
{
	const uint64_t set = 1ull << (SIGPIPE - 1) | 1ull << (SIGXFSZ - 1);
	const struct timespec limit = { .tv_sec = OUTPUT_WAIT_S }, now = { 0 };
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	uint64_t before, pending = 0;
	long n;

	if (sys5(SYS_ppoll, &p, 1, &limit, NULL, 0) == 0)
		return -ETIMEDOUT;
	n = sys6(SYS_sendto, fd, SYS_ARG(data), (long)size, MSG_NOSIGNAL | MSG_DONTWAIT,
		 0, 0);
	if (n != -ENOTSOCK)
		return n == -EAGAIN ? -EINTR : n;
	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &set, &before, sizeof(set));
	sys2(SYS_rt_sigpending, &pending, sizeof(pending));
	n = sys_write(fd, data, size);
	const uint64_t ours = set & ~pending;
	if ((n == -EPIPE || n == -EFBIG) && ours)
		sys4(SYS_rt_sigtimedwait, &ours, NULL, &now, sizeof(ours));
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(set));
	return n;
}

static int destination_append_to(int fd, const char *data, size_t size)
{
	while (size) {
		const long n = destination_put(fd, data, size);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n ? (int)n : -EIO;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

int destination_append(struct destination *destination, const void *data, size_t size)
{
	int rc = 0;

	if (destination->file >= 0)
		rc = destination_append_to(destination->file, data, size);
	if (destination->socket >= 0 &&
	    destination_append_to(destination->socket, data, size) < 0) {
		sys_close(destination->socket);
		destination->socket = -1;
	}
	return rc;
}

static void destination_drop_oldest(void)
{
	char snapshot[DESTINATION_PATH];

	if (destination_snapshot_of(kept.path[kept.first], snapshot, sizeof(snapshot)))
		destination_remove(snapshot);
	destination_remove(kept.path[kept.first]);
	kept.first = (kept.first + 1) % CONFIG_KEEP_MAX;
	kept.count--;
}

static uint64_t destination_size(const char *path)
{
	struct stat st;

	return sys4(SYS_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISREG(st.st_mode) ?
		0 :
		(uint64_t)st.st_size;
}

/* What they take now; a snapshot that a summary is made of counts. */
static uint64_t destination_kept_bytes(void)
{
	char snapshot[DESTINATION_PATH];
	uint64_t sum = 0;

	for (unsigned i = 0; i < kept.count; i++) {
		const char *const path = kept.path[(kept.first + i) % CONFIG_KEEP_MAX];

		sum += destination_size(path);
		if (destination_snapshot_of(path, snapshot, sizeof(snapshot)))
			sum += destination_size(snapshot);
	}
	return sum;
}

static void destination_rotate(const struct trigger_config *config, const char *path)
{
	const unsigned most = config->keep ? config->keep : CONFIG_KEEP_MAX;
	struct phrase t;
	unsigned at;

	if (!config->keep && !config->keep_bytes)
		return;
	if (kept.pid != sys_getpid()) { /* those of our parent are its own */
		kept.pid = sys_getpid();
		kept.first = kept.count = 0;
	}
	for (unsigned i = 0; i < kept.count; i++) { /* overwritten: counts once */
		at = (kept.first + i) % CONFIG_KEEP_MAX;
		if (strcmp(kept.path[at], path) == 0)
			return;
	}
	while (kept.count >= most)
		destination_drop_oldest();
	at = (kept.first + kept.count) % CONFIG_KEEP_MAX;
	phrase_init(&t, kept.path[at], DESTINATION_PATH);
	phrase_str(&t, path);
	kept.count++;
	while (config->keep_bytes && kept.count > 1 &&
	       destination_kept_bytes() > config->keep_bytes)
		destination_drop_oldest();
}

static void destination_sync_directory(const char *path)
{
	char dir[DESTINATION_PATH];
	int fd;

	destination_directory_of(path, dir, sizeof(dir));
	fd = sys_open(dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return;
	sys1(SYS_fsync, fd);
	sys_close(fd);
}

void destination_forget(struct destination *destination)
{
	if (destination->file >= 0)
		sys_close(destination->file);
	if (destination->socket >= 0)
		sys_close(destination->socket);
	destination->file = destination->socket = -1;
	destination->part[0] = '\0';
}

/* The part that was left before this one, if any; a child's parent's is its own. */
static void destination_drop_left(const char *part)
{
	if (left.pid == sys_getpid() && left.part[0] && strcmp(left.part, part) != 0)
		destination_remove(left.part);
	left.part[0] = '\0';
}

void destination_abandon(struct destination *destination, bool unwritable)
{
	const char *const part = destination->part;
	struct phrase t;

	if (part[0] && destination->file >= 0) {
		const bool worth = !unwritable &&
			sys3(SYS_lseek, destination->file, 0, SEEK_CUR) >= OUTPUT_WORTH;

		if (worth || unwritable)
			destination_drop_left(part);
		if (worth) {
			left.pid = sys_getpid();
			phrase_init(&t, left.part, sizeof(left.part));
			phrase_str(&t, part);
		} else {
			sys3(SYS_unlinkat, AT_FDCWD, part, 0);
		}
	}
	destination_forget(destination);
}

int destination_commit(const struct trigger_config *config,
		       struct destination *destination)
{
	long rc = 0;

	if (destination->file >= 0 && !destination->stream) {
		rc = sys1(SYS_fsync, destination->file);
		if (rc < 0) {
			destination_abandon(destination, true);
			return (int)rc;
		}
		rc = destination_replaceable(destination->path);
		if (!rc)
			rc = sys4(SYS_renameat, AT_FDCWD, destination->part, AT_FDCWD,
				  destination->path);
		if (rc < 0) {
			destination_abandon(destination, false);
			return (int)rc;
		}
		destination_sync_directory(destination->path);
		destination_rotate(config,
				   destination->summary[0] ? destination->summary :
							     destination->path);
	}
	destination_drop_left("");
	destination_forget(destination);
	return 0;
}
