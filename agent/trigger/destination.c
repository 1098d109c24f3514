/* SPDX-License-Identifier: MIT */
/* destination - see destination.h. */
#include "agent/trigger/destination.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/base/sys.h"
#include "agent/base/text.h"

enum { OUTPUT_WORTH = 4096 }; /* bytes; a shorter part holds no objects */

/* Names of the files this process wrote, oldest first from `first`. */
static struct {
	int pid;
	unsigned first, count;
	char path[CONFIG_KEEP_MAX][DESTINATION_PATH];
} kept;

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

static void destination_time(struct text *t, uint64_t seconds)
{
	uint64_t y, m, d;

	destination_civil_date(seconds / 86400, &y, &m, &d);
	text_padded(t, y, 4);
	text_padded(t, m, 2);
	text_padded(t, d, 2);
	text_padded(t, seconds / 3600 % 24, 2);
	text_padded(t, seconds / 60 % 60, 2);
	text_padded(t, seconds % 60, 2);
}

bool destination_name(const char *pattern, int pid, uint64_t seconds, unsigned sequence,
		      char *ret, size_t size)
{
	struct text t;

	text_init(&t, ret, size);
	for (const char *p = pattern; *p; p++) {
		if (*p != '%') {
			text_bytes(&t, p, 1);
			continue;
		}
		switch (*++p) {
		case 'p':
			text_u64(&t, (uint64_t)pid);
			break;
		case 't':
			destination_time(&t, seconds);
			if (sequence > 1) {
				text_str(&t, "-");
				text_u64(&t, sequence);
			}
			break;
		default:
			text_str(&t, "%");
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
	struct text t;

	text_init(&t, ret, size);
	if (slash && slash > path)
		text_bytes(&t, path, (size_t)(slash - path));
	else
		text_str(&t, "/");
}

int destination_check(const struct trigger_config *config)
{
	char dir[DESTINATION_PATH];

	if (!config->output[0])
		return 0;
	destination_directory_of(config->output, dir, sizeof(dir));
	if (strchr(dir, '%'))
		return 0; /* depends on the process or the time: seen when written */
	return (int)sys3(SYS_faccessat, AT_FDCWD, dir, W_OK | X_OK);
}

static bool destination_exists(const char *path)
{
	return sys3(SYS_faccessat, AT_FDCWD, path, F_OK) != -ENOENT;
}

static int destination_open_file(const struct trigger_config *config,
				 struct destination *o)
{
	const uint64_t now = sys_clock_ns(CLOCK_REALTIME) / 1000000000u;
	const bool timed = strstr(config->output, "%t");
	struct text t;
	int fd;

	for (unsigned sequence = 1;; sequence++) {
		if (!destination_name(config->output, sys_getpid(), now, sequence,
				      o->path, sizeof(o->path)))
			return -ENAMETOOLONG;
		if (!timed || sequence == 1000 || !destination_exists(o->path))
			break;
	}
	text_init(&t, o->part, sizeof(o->part));
	text_str(&t, o->path);
	text_str(&t, ".part");
	if (t.cut)
		return -ENAMETOOLONG;
	sys3(SYS_unlinkat, AT_FDCWD, o->part, 0);
	fd = sys_open(o->part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	o->file = destination_high_fd(fd);
	return fd < 0 ? fd : 0;
}

static int destination_open_socket(const struct trigger_config *config,
				   struct destination *o)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct text t;
	long rc;

	text_init(&t, to.sun_path, sizeof(to.sun_path));
	text_str(&t, config->socket);
	o->socket = (int)sys3(SYS_socket, AF_UNIX,
			      SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (o->socket < 0)
		return o->socket;
	o->socket = destination_high_fd(o->socket);
	rc = sys3(SYS_connect, o->socket, &to, sizeof(to));
	if (rc == 0)
		rc = sys3(SYS_fcntl, o->socket, F_SETFL, 0); /* blocking again */
	if (rc < 0) {
		sys_close(o->socket);
		o->socket = -1;
	}
	return rc < 0 ? (int)rc : 0;
}

int destination_open(const struct trigger_config *config, struct destination *ret)
{
	int rc = 0, rc_socket = 0;

	ret->file = ret->socket = -1;
	ret->path[0] = ret->part[0] = '\0';
	if (config->output[0])
		rc = destination_open_file(config, ret);
	if (config->socket[0])
		rc_socket = destination_open_socket(config, ret);
	if (ret->file >= 0 || ret->socket >= 0)
		return 0;
	return rc ? rc : rc_socket;
}

static int destination_append_to(int fd, const char *data, size_t size, bool is_socket)
{
	while (size) {
		const long n = is_socket ? sys6(SYS_sendto, fd, SYS_ARG(data), (long)size,
						MSG_NOSIGNAL, 0, 0) :
					   sys_write(fd, data, size);

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
		rc = destination_append_to(destination->file, data, size, false);
	if (destination->socket >= 0 &&
	    destination_append_to(destination->socket, data, size, true) < 0) {
		sys_close(destination->socket);
		destination->socket = -1;
	}
	return rc;
}

static void destination_rotate(const struct trigger_config *config, const char *path)
{
	struct text t;

	if (!config->keep)
		return;
	if (kept.pid != sys_getpid()) { /* those of our parent are its own */
		kept.pid = sys_getpid();
		kept.first = kept.count = 0;
	}
	for (unsigned i = 0; i < kept.count; i++) { /* overwritten: counts once */
		if (strcmp(kept.path[(kept.first + i) % CONFIG_KEEP_MAX], path) == 0)
			return;
	}
	while (kept.count >= config->keep) {
		sys3(SYS_unlinkat, AT_FDCWD, kept.path[kept.first], 0);
		kept.first = (kept.first + 1) % CONFIG_KEEP_MAX;
		kept.count--;
	}
	text_init(&t, kept.path[(kept.first + kept.count) % CONFIG_KEEP_MAX],
		  DESTINATION_PATH);
	text_str(&t, path);
	kept.count++;
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

int destination_commit(const struct trigger_config *config,
		       struct destination *destination)
{
	long rc = 0;

	if (destination->file >= 0) {
		rc = sys1(SYS_fsync, destination->file);
		if (!rc)
			rc = sys4(SYS_renameat, AT_FDCWD, destination->part, AT_FDCWD,
				  destination->path);
		if (!rc) {
			destination_sync_directory(destination->path);
			destination_rotate(config, destination->path);
		}
	}
	destination_forget(destination);
	return (int)rc;
}

void destination_abandon(struct destination *destination)
{
	if (destination->file >= 0 &&
	    sys3(SYS_lseek, destination->file, 0, SEEK_CUR) < OUTPUT_WORTH)
		sys3(SYS_unlinkat, AT_FDCWD, destination->part, 0);
	destination_forget(destination);
}
