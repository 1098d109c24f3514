/* SPDX-License-Identifier: MIT */
/* rights - see rights.h. */
#include "formats/rights/rights.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* "nobody" where the user database has none (the kernel's overflowuid). */
enum { RIGHTS_NOBODY = 65534 };

static bool rights_number(const char *text, unsigned long *ret)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoul(text, &end, 10);
	return errno == 0 && *end == '\0' && *ret > 0 && *ret < (uid_t)-1;
}

/*
 * A user of /etc/passwd, by number, or by name where that is given; valid until the next
 * call.  Not by the C library's getpw*: those load modules (and abort where one of their
 * allocations fails), which a static program had better not do.
 */
static const struct passwd *rights_local_user(const char *name, uid_t uid)
{
	FILE *const in = fopen("/etc/passwd", "re");
	const struct passwd *user = NULL;

	while (in && (user = fgetpwent(in)) &&
	       (name ? strcmp(user->pw_name, name) != 0 : user->pw_uid != uid))
		;
	if (in)
		fclose(in);
	return user;
}

/* The user who called sudo, if what the environment says is true of some user. */
static bool rights_of_invoker(struct rights *ret)
{
	const char *const name = getenv("SUDO_USER");
	unsigned long uid, gid;

	if (!rights_number(getenv("SUDO_UID"), &uid) ||
	    !rights_number(getenv("SUDO_GID"), &gid))
		return false;
	const struct passwd *user = rights_local_user(NULL, (uid_t)uid);
	if (!user)
		user = getpwuid((uid_t)uid); /* of a directory service */
	if (!user || (name && strcmp(name, user->pw_name) != 0) || user->pw_gid != gid)
		return false;
	ret->uid = (uid_t)uid;
	ret->gid = (gid_t)gid;
	return true;
}

static void rights_of_nobody(struct rights *ret)
{
	const struct passwd *const user = rights_local_user("nobody", 0);

	ret->uid = user && user->pw_uid ? user->pw_uid : RIGHTS_NOBODY;
	ret->gid = user && user->pw_gid ? user->pw_gid : RIGHTS_NOBODY;
}

static bool rights_capable(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return syscall(SYS_capget, &head, data) == 0 &&
		(data[0].permitted || data[1].permitted);
}

static void rights_look(struct rights *ret)
{
	*ret = (struct rights){ .was = geteuid(), .uid = getuid(), .gid = getgid() };
	ret->more = geteuid() != ret->uid || ret->uid == 0 || rights_capable();
	if (ret->uid != 0)
		return;
	ret->invoker = rights_of_invoker(ret);
	if (!ret->invoker)
		rights_of_nobody(ret);
}

const struct rights *rights_ours(void)
{
	static struct rights ours;
	static bool looked;

	if (!looked)
		rights_look(&ours);
	looked = true;
	return &ours;
}

/* No such number in this user namespace, or only one's own. */
static bool rights_unmapped(int err)
{
	return err == EINVAL || err == EPERM;
}

static int rights_change_user(const struct rights *r)
{
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return -errno;
	if (setresgid(r->gid, r->gid, r->gid) < 0 && !rights_unmapped(errno))
		return -errno;
	if (setresuid(r->uid, r->uid, r->uid) < 0 && !rights_unmapped(errno))
		return -errno;
	return 0;
}

static int rights_drop_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* since Linux 4.3 */
	return syscall(SYS_capset, &head, none) == 0 && !rights_capable() ? 0 : -EPERM;
}

int rights_drop(void)
{
	const struct rights *const r = rights_ours();

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (r->more) {
		for (unsigned long c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
			prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
		const int err = rights_change_user(r);
		if (err)
			return err;
	}
	const int err = rights_drop_capabilities();
	if (err)
		return err;
	if (r->more)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Is it for good?  Without CAP_SETUID only what we are may be set. */
	return getuid() != 0 && setresuid(0, 0, 0) == 0 ? -EPERM : 0;
}

void rights_give(int fd)
{
	const struct rights *const r = rights_ours();

	assert(fd >= 0);
	if (r->invoker && fchown(fd, r->uid, r->gid) < 0)
		return; /* a file system without owners: it is as it would be */
}

/* True if nothing is in it: it can be the one that was just made. */
static bool rights_is_empty(int folder)
{
	const int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *const dir = again >= 0 ? fdopendir(again) : NULL;
	int entries = 0;

	if (!dir && again >= 0)
		close(again);
	while (dir && readdir(dir) && entries <= 2)
		entries++;
	if (dir)
		closedir(dir);
	return dir && entries <= 2;
}

int rights_make_folder(const char *path, mode_t mode)
{
	const struct rights *const r = rights_ours();
	struct stat st;

	if (!r->invoker)
		return mkdir(path, mode);
	const int fs_gid = setfsgid(r->gid), fs_uid = setfsuid(r->uid);
	const int made = mkdir(path, mode);
	const int err = errno;
	setfsuid((uid_t)fs_uid);
	setfsgid((gid_t)fs_gid);
	errno = err;
	if (made == 0 || err == EEXIST || mkdir(path, mode) < 0)
		return made;
	/* In a place that is only root's. */
	const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
	    rights_is_empty(fd))
		rights_give(fd);
	if (fd >= 0)
		close(fd);
	return 0;
}

static bool rights_is_kept(const int *kept, size_t count, int fd)
{
	for (size_t i = 0; i < count; i++)
		if (kept[i] == fd)
			return true;
	return fd <= 2;
}

void rights_close_others(const int *kept, size_t count)
{
	DIR *const dir = opendir("/proc/self/fd");

	if (!dir) { /* no /proc: all there can be */
		const long most = sysconf(_SC_OPEN_MAX);
		for (int fd = 3; fd < (most > 0 && most < 65536 ? most : 65536); fd++)
			if (!rights_is_kept(kept, count, fd))
				close(fd);
		return;
	}
	/* What closes a descriptor makes the listing skip none: it goes by number. */
	for (const struct dirent *d; (d = readdir(dir));) {
		const int fd = (int)strtol(d->d_name, NULL, 10);
		if (fd != dirfd(dir) && !rights_is_kept(kept, count, fd))
			close(fd);
	}
	closedir(dir);
}

bool rights_is_own(uid_t owner)
{
	const struct rights *const r = rights_ours();

	return owner == r->was || (r->invoker && owner == r->uid);
}
