/* SPDX-License-Identifier: MIT */
/* foreign - see foreign.h. */
#include "loader/target/foreign.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/memfd.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "loader/base/kernel.h"
#include "loader/target/process.h"

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

#define FOREIGN_NOWHERE UINT64_MAX

enum { FOREIGN_GROUPS = 65536, FOREIGN_TRIES = 8 };

/* ---- descriptors that are handed over ---- */

int foreign_take(int pidfd, int fd)
{
	if (pidfd < 0)
		return -ENOSYS;
	assert(fd >= 0);
	const int ours = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	return ours < 0 ? -(errno ? errno : EIO) : ours;
}

/* Attributes as the kernel knows them: a file system of the target's isn't asked. */
static bool foreign_stat(int fd, const char *path, int flags, struct statx *ret)
{
	return kernel_statx(fd, path, flags | AT_STATX_DONT_SYNC, STATX_BASIC_STATS,
			    ret) == 0;
}

bool foreign_is_new_memory(int fd)
{
	struct statx st;
	/* mm/memfd.c memfd_get_seals: -EINVAL but for files in memory */
	const int seals = fcntl(fd, F_GET_SEALS);

	/* one that was made without MFD_ALLOW_SEALING, as before 6.3, has F_SEAL_SEAL */
	return seals >= 0 && !(seals & ~(F_SEAL_EXEC | F_SEAL_SEAL)) &&
		foreign_stat(fd, "", AT_EMPTY_PATH, &st) && S_ISREG(st.stx_mode) &&
		!st.stx_nlink && !st.stx_size && !st.stx_blocks;
}

bool foreign_is_pair(int fd, int type, pid_t maker)
{
	int domain = -1, is = -1;
	struct ucred peer = { .pid = -1 };
	socklen_t a = sizeof(domain), b = sizeof(is), c = sizeof(peer);

	assert(fd >= 0 && maker > 0);
	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &a) && domain == AF_UNIX &&
		!getsockopt(fd, SOL_SOCKET, SO_TYPE, &is, &b) && is == type &&
		/* of a pair: who made it (net/unix/af_unix.c unix_socketpair) */
		!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &c) && peer.pid == maker;
}

/* ---- with the target's rights ---- */

struct foreign_rights {
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	int group_count;
	struct __user_cap_data_struct cap[2];
};

static struct __user_cap_header_struct foreign_cap_header(void)
{
	return (struct __user_cap_header_struct){ .version =
							  _LINUX_CAPABILITY_VERSION_3 };
}

static bool foreign_set_effective(const struct foreign_rights *ours, uint64_t effective)
{
	struct __user_cap_header_struct head = foreign_cap_header();
	struct __user_cap_data_struct cap[2] = { ours->cap[0], ours->cap[1] };

	cap[0].effective = (uint32_t)effective & cap[0].permitted;
	cap[1].effective = (uint32_t)(effective >> 32) & cap[1].permitted;
	return syscall(SYS_capset, &head, cap) == 0;
}

/* The calls themselves: those of the C library would ask all threads. */
static bool foreign_set_ids(uid_t uid, gid_t gid, const gid_t *groups, int count)
{
	return syscall(SYS_setgroups, count, groups) == 0 &&
		syscall(SYS_setresgid, -1, gid, -1) == 0 &&
		syscall(SYS_setresuid, -1, uid, -1) == 0;
}

static bool foreign_save_rights(struct foreign_rights *ours)
{
	struct __user_cap_header_struct head = foreign_cap_header();

	*ours = (struct foreign_rights){ .uid = geteuid(), .gid = getegid() };
	if (syscall(SYS_capget, &head, ours->cap))
		return false;
	ours->groups = calloc(FOREIGN_GROUPS, sizeof(*ours->groups));
	ours->group_count = ours->groups ? getgroups(FOREIGN_GROUPS, ours->groups) : -1;
	return ours->group_count >= 0;
}

/* Without them the process would be no use any more, and could do harm. */
static void foreign_restore_rights(struct foreign_rights *ours)
{
	const uint64_t all =
		(uint64_t)ours->cap[1].effective << 32 | ours->cap[0].effective;

	if ((ours->uid == 0 &&
	     (syscall(SYS_setresuid, -1, ours->uid, -1) ||
	      !foreign_set_effective(ours, all) ||
	      !foreign_set_ids(ours->uid, ours->gid, ours->groups, ours->group_count))) ||
	    !foreign_set_effective(ours, all))
		_exit(1);
	free(ours->groups);
}

/* What the target may in our user namespace: nothing at all if it has its own. */
static uint64_t foreign_capabilities(const struct process *process)
{
	char path[32];
	struct statx its, ours;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", process->pid);
	if (!foreign_stat(AT_FDCWD, path, 0, &its) ||
	    !foreign_stat(AT_FDCWD, "/proc/self/ns/user", 0, &ours) ||
	    its.stx_ino != ours.stx_ino)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/status", process->pid);
	char *status = process_read_text(path, 65536, NULL);
	const uint64_t may = status ? process_text_field(status, "CapPrm", 16, 0) : 0;
	free(status);
	return may;
}

/*
 * The target's user and group, no further groups, none but its capabilities; false:
 * it can't be done, and nothing is changed.
 */
static bool foreign_take_rights(const struct process *process,
				struct foreign_rights *ours)
{
	const uint64_t may = foreign_capabilities(process);

	if (!foreign_save_rights(ours)) {
		free(ours->groups);
		return false;
	}
	if ((ours->uid == 0 &&
	     !foreign_set_ids(process->uid[3], process->gid[3], NULL, 0)) ||
	    !foreign_set_effective(ours, may)) {
		foreign_restore_rights(ours);
		return false;
	}
	return true;
}

/* Is it an unnamed pipe? Such a one lies where one of our own does. */
static bool foreign_is_pipe(int fd)
{
	int own[2];
	struct statx st, like;

	if (!foreign_stat(fd, "", AT_EMPTY_PATH, &st) || !S_ISFIFO(st.stx_mode) ||
	    pipe2(own, O_CLOEXEC))
		return false;
	const bool is = foreign_stat(own[0], "", AT_EMPTY_PATH, &like) &&
		st.stx_dev_major == like.stx_dev_major &&
		st.stx_dev_minor == like.stx_dev_minor;
	close(own[0]);
	close(own[1]);
	return is;
}

int foreign_open_pipe(const struct process *process, pid_t pid, pid_t tid, int fd,
		      bool writes)
{
	struct foreign_rights ours;
	char path[64];

	if (!foreign_take_rights(process, &ours))
		return -EPERM;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd/%d", pid, tid, fd);
	int opened = -1;
	const int pinned = open(path, O_PATH | O_CLOEXEC); /* opens nothing yet */
	int error = pinned < 0 ? errno : foreign_is_pipe(pinned) ? 0 : EBADF;
	if (!error) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", pinned);
		opened = open(path,
			      (writes ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC);
		error = opened < 0 ? errno : 0;
	}
	if (pinned >= 0)
		close(pinned);
	foreign_restore_rights(&ours);
	return error ? -error : opened;
}

/* ---- looking ---- */

/* The mount and the inode of a descriptor, by its fdinfo; the inode since Linux 5.14. */
static bool foreign_info(const char *path, uint64_t *mount, uint64_t *inode)
{
	char *text = process_read_text(path, 4096, NULL);

	*mount = text ? process_text_field(text, "mnt_id", 10, FOREIGN_NOWHERE) :
			FOREIGN_NOWHERE; /* 0 is the kernel's own */
	*inode = text ? process_text_field(text, "ino", 10, 0) : 0;
	free(text);
	return *mount != FOREIGN_NOWHERE && *inode;
}

/* Does a descriptor of ours, which is closed, lie in that mount? */
static bool foreign_in_mount(int ours, uint64_t mount)
{
	char path[40];
	uint64_t its, inode;

	if (ours < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ours);
	const bool told = foreign_info(path, &its, &inode);
	close(ours);
	return told && its == mount;
}

/* What lies where our own sockets, pipes and memory files lie is one as well. */
static enum foreign_kind foreign_kind_of_mount(uint64_t mount)
{
	int pipe[2];

	if (foreign_in_mount(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), mount))
		return FOREIGN_SOCKET;
	if (foreign_in_mount((int)syscall(SYS_memfd_create, "", MFD_CLOEXEC), mount))
		return FOREIGN_MEMORY;
	if (pipe2(pipe, O_CLOEXEC))
		return FOREIGN_NONE;
	close(pipe[1]);
	return foreign_in_mount(pipe[0], mount) ? FOREIGN_PIPE : FOREIGN_NONE;
}

/* Is that the link of a file in memory?  Then it has its name. */
static bool foreign_set_memory(char *link, ssize_t length, struct foreign_file *ret)
{
	static const char memory[] = "/memfd:", gone[] = " (deleted)";

	link[length < 0 ? 0 : length] = 0;
	char *end = strstr(link, gone);
	if (strncmp(link, memory, strlen(memory)) || !end || end[strlen(gone)])
		return false;
	*end = 0;
	ret->kind = FOREIGN_MEMORY;
	snprintf(ret->name, sizeof(ret->name), "%.*s", (int)sizeof(ret->name) - 1,
		 link + strlen(memory));
	return true;
}

/* Of a file in memory, which is none that answers: by a descriptor of ours. */
static void foreign_look_at_memory(pid_t pid, int fd, struct foreign_file *ret)
{
	const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	const int ours = foreign_take(pidfd, fd);
	char path[40], link[128];

	if (ours >= 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", ours);
		foreign_set_memory(link, readlink(path, link, sizeof(link) - 1), ret);
		close(ours);
	}
	if (pidfd >= 0)
		close(pidfd);
}

struct foreign_file foreign_look_traced(pid_t pid, pid_t tid, int fd)
{
	struct foreign_file file = { .kind = FOREIGN_NONE };
	char path[64];
	uint64_t mount, inode;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fdinfo/%d", pid, tid, fd);
	if (!foreign_info(path, &mount, &inode))
		return file;
	const enum foreign_kind kind = foreign_kind_of_mount(mount);
	if (kind == FOREIGN_MEMORY)
		foreign_look_at_memory(pid, fd, &file);
	else
		file.kind = kind;
	file.inode = file.kind == FOREIGN_NONE ? 0 : inode;
	return file;
}

struct foreign_file foreign_look(pid_t pid, pid_t tid, int fd)
{
	static const struct {
		const char *word;
		enum foreign_kind kind;
	} kinds[] = { { "socket:[", FOREIGN_SOCKET }, { "pipe:[", FOREIGN_PIPE } };
	struct foreign_file file = { .kind = FOREIGN_NONE };
	char path[64], link[128];
	struct statx st;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd/%d", pid, tid, fd);
	const ssize_t n = readlink(path, link, sizeof(link) - 1);
	if (n < 0 && errno == EACCES)
		return foreign_look_traced(pid, tid, fd);
	if (n <= 0)
		return file;
	link[n] = 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strncmp(link, kinds[i].word, strlen(kinds[i].word))) {
			file.kind = kinds[i].kind;
			file.inode = strtoull(link + strlen(kinds[i].word), NULL, 10);
		}
	if (foreign_stat(AT_FDCWD, path, 0, &st) && foreign_set_memory(link, n, &file))
		file.inode = st.stx_ino;
	return file;
}

DIR *foreign_list(pid_t pid, pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd", pid, tid);
	DIR *dir = opendir(path);
	if (dir || errno != EACCES)
		return dir;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/fdinfo", pid, tid);
	return opendir(path);
}

bool foreign_program(pid_t pid, dev_t *dev, ino_t *inode)
{
	char path[32];
	struct statx st;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)process_live(pid));
	if (!foreign_stat(AT_FDCWD, path, 0, &st))
		return false;
	*dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	*inode = st.stx_ino;
	return true;
}

/* ---- paths ---- */

/* One name further down, which is no link and no way up: it, or a negative errno. */
static int foreign_step(int at, const char *path, size_t length)
{
	char name[256];
	struct statx st;

	if (length >= sizeof(name))
		return -ENAMETOOLONG;
	memcpy(name, path, length);
	name[length] = 0;
	if (!strcmp(name, ".."))
		return -EXDEV;
	const int next = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (next < 0)
		return -errno;
	if (foreign_stat(next, "", AT_EMPTY_PATH, &st) && !S_ISLNK(st.stx_mode))
		return next;
	close(next);
	return -ELOOP;
}

/* As openat2 without links, before Linux 5.6. */
static int foreign_walk(int from, const char *path)
{
	int at = fcntl(from, F_DUPFD_CLOEXEC, 3);

	if (at < 0)
		return -errno;
	while (at >= 0 && *(path += strspn(path, "/"))) {
		const size_t length = strcspn(path, "/");
		const int next = foreign_step(at, path, length);

		close(at);
		at = next;
		path += length;
	}
	return at;
}

static int foreign_find(int from, const char *path, bool links)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS |
			(links ? 0u : RESOLVE_NO_SYMLINKS),
	};

	for (int i = 0; i < FOREIGN_TRIES; i++) {
		const int fd = (int)syscall(SYS_openat2, from, path, &how, sizeof(how));

		if (fd >= 0)
			return fd;
		if (errno != EAGAIN) /* something was renamed on the way */
			break;
	}
	/* EPERM: an old filter around us that doesn't know the call */
	return errno == ENOSYS || errno == EPERM ? foreign_walk(from, path) : -errno;
}

/* As one of ours to read, if it is regular: to open a device may have effects. */
static char *foreign_read_pinned(int fd, size_t limit)
{
	char path[32];
	struct statx st;

	if (!foreign_stat(fd, "", AT_EMPTY_PATH, &st) || !S_ISREG(st.stx_mode))
		return NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return process_read_text(path, limit, NULL);
}

int foreign_path(pid_t pid, pid_t tid, const char *path, bool links)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/task/%d/root", pid, tid);
	const int root = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return errno == EPERM ? -EACCES : -errno;
	const int fd = foreign_find(root, path, links);
	close(root);
	/* a path that can't be walked is another thing than a hidden root */
	return fd == -EACCES ? -EPERM : fd;
}

int foreign_open_below(int directory, const char *path)
{
	const int fd = foreign_find(directory, path, true);
	char name[32];
	struct statx st;
	int ret = fd < 0 ? fd : -ENOEXEC;

	if (fd < 0)
		return ret;
	if (foreign_stat(fd, "", AT_EMPTY_PATH, &st) && S_ISREG(st.stx_mode)) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		ret = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		ret = ret < 0 ? -errno : ret;
	}
	close(fd);
	return ret;
}

char *foreign_read(int directory, const char *path, size_t limit)
{
	const int fd = foreign_find(directory, path, false);
	char *text = fd < 0 ? NULL : foreign_read_pinned(fd, limit);

	if (fd >= 0)
		close(fd);
	return text;
}
