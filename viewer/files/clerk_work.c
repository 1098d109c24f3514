/* SPDX-License-Identifier: MIT */
/* clerk_work - see clerk_work.h. */
#include "viewer/files/clerk_work.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/rights/rights.h"
#include "viewer/files/clerk_word.h"
#include "viewer/files/listener.h"
#include "viewer/files/removal.h"

enum { CLERK_FILES = 16, CLERK_SCRIPT_MAX = 1 << 20 };

/* What kind of order a path is; NONE is refused. */
enum clerk_order { ORDER_NONE, ORDER_OUTPUT, ORDER_SIDECAR, ORDER_PICTURE };

/* Being written. */
struct clerk_file {
	int folder;	/* O_PATH; -1 = this place is free */
	int fd;		/* ours, to bring it to the disk */
	bool replace;	/* what is there */
	bool hasty;	/* may be lost in a crash */
	char name[256]; /* in the folder */
	char temporary[64];
};

struct clerk {
	const struct clerk_orders *orders;
	char *script; /* its text, or NULL */
	struct clerk_file files[CLERK_FILES];
	struct listener socket; /* fd -1 = none */
	int answer_fd;		/* goes with the answer, and is closed then */
};

/* ---- what it may ---- */

static bool clerk_work_is_input(const struct clerk *c, const char *path, const char *end)
{
	const size_t n = strlen(path), tail = strlen(end);

	for (size_t i = 0; i < c->orders->count; i++) {
		const char *const input = c->orders->inputs[i];

		if (strlen(input) + tail == n && !strncmp(path, input, n - tail) &&
		    !strcmp(path + n - tail, end))
			return true;
	}
	return false;
}

/* "a/b" -> "a/." , "b" -> "." : as screen/pictures makes it. */
static bool clerk_work_is_folder(const struct clerk *c, const char *path)
{
	for (size_t i = 0; i < c->orders->count; i++) {
		const char *const input = c->orders->inputs[i];
		const char *const slash = strrchr(input, '/');
		const size_t n = slash ? (size_t)(slash - input) + 1 : 0;

		if (strlen(path) == n + 1 && !strncmp(path, input, n) && path[n] == '.')
			return true;
	}
	return false;
}

static bool clerk_work_scripted(const struct clerk *c, const char *path)
{
	return c->script && *path && strstr(c->script, path);
}

static enum clerk_order clerk_work_order(const struct clerk *c, const char *path)
{
	if (c->orders->output && !strcmp(path, c->orders->output))
		return ORDER_OUTPUT;
	if (clerk_work_is_input(c, path, ".pmx"))
		return ORDER_SIDECAR;
	if (clerk_work_scripted(c, path))
		return ORDER_OUTPUT;
	/* Typed: the user who called sudo can do that alone, nobody can't. */
	if (!rights_ours()->invoker && !strchr(path, '/') && *path && *path != '.')
		return ORDER_PICTURE;
	return ORDER_NONE;
}

/* ---- what it does ---- */

static int clerk_work_may_open(struct clerk *c, const struct clerk_word *w)
{
	return clerk_work_is_input(c, w->path, "") ||
		clerk_work_is_input(c, w->path, ".pmx");
}

static int clerk_work_open(struct clerk *c, const struct clerk_word *w)
{
	const int allowed = O_NONBLOCK | O_NOFOLLOW | O_DIRECTORY;
	const bool folder = w->flags & O_DIRECTORY;

	if ((w->flags & ~allowed) ||
	    !(folder ? clerk_work_is_folder(c, w->path) : clerk_work_may_open(c, w)))
		return -EACCES;
	c->answer_fd = open(w->path, O_RDONLY | O_CLOEXEC | w->flags);
	return c->answer_fd >= 0 ? 0 : -errno;
}

static int clerk_work_open_special(struct clerk *c, const struct clerk_word *w)
{
	struct stat st;

	if (clerk_work_order(c, w->path) != ORDER_OUTPUT)
		return -EACCES;
	c->answer_fd = open(w->path, O_WRONLY | O_CLOEXEC);
	if (c->answer_fd >= 0 && fstat(c->answer_fd, &st) == 0 && !S_ISREG(st.st_mode))
		return 0;
	return c->answer_fd >= 0 ? -EACCES : -errno;
}

static int clerk_work_is_special(struct clerk *c, const struct clerk_word *w)
{
	struct stat st;

	return clerk_work_order(c, w->path) != ORDER_NONE && stat(w->path, &st) == 0 &&
		!S_ISREG(st.st_mode);
}

static int clerk_work_knows(struct clerk *c, const struct clerk_word *w)
{
	return clerk_work_order(c, w->path) != ORDER_NONE;
}

/* Splits path into an open folder and a name. 0 or a negative errno. */
static int clerk_work_place(struct clerk_file *f, const char *path)
{
	char folder[PATH_MAX];
	const char *const slash = strrchr(path, '/');
	const char *const name = slash ? slash + 1 : path;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
		 slash ? path : ".");
	if (!*name || strlen(name) >= sizeof(f->name))
		return *name ? -ENAMETOOLONG : -EISDIR;
	strcpy(f->name, name);
	f->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return f->folder >= 0 ? 0 : -errno;
}

/* The snapshot, in the very folder: a file of the viewer's user. */
static int clerk_work_own_snapshot(const struct clerk_file *f)
{
	char snapshot[sizeof(f->name)];
	struct stat st;

	snprintf(snapshot, sizeof(snapshot), "%.*s",
		 (int)(strlen(f->name) - strlen(".pmx")), f->name);
	if (fstatat(f->folder, snapshot, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return S_ISREG(st.st_mode) && rights_is_own(st.st_uid) ? 0 : -EACCES;
}

static void clerk_work_free(struct clerk_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->folder >= 0)
		close(f->folder);
	f->fd = f->folder = -1;
}

static int clerk_work_make(struct clerk_file *f)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	snprintf(f->temporary, sizeof(f->temporary), ".pymem-%016llx",
		 (unsigned long long)random);
	f->fd = openat(f->folder, f->temporary,
		       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return -errno;
	rights_give(f->fd);
	return 0;
}

/* It would be replaced, as /dev/stdout is one. */
static bool clerk_work_is_link(const struct clerk_file *f)
{
	struct stat st;

	return fstatat(f->folder, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISLNK(st.st_mode);
}

static int clerk_work_create(struct clerk *c, const struct clerk_word *w)
{
	const enum clerk_order order = clerk_work_order(c, w->path);
	int number = 0;

	while (number < CLERK_FILES && c->files[number].folder >= 0)
		number++;
	if (order == ORDER_NONE || number == CLERK_FILES)
		return order == ORDER_NONE ? -EACCES : -EMFILE;
	struct clerk_file *const f = &c->files[number];
	int err = clerk_work_place(f, w->path);
	f->replace = order != ORDER_PICTURE;
	f->hasty = order == ORDER_SIDECAR;
	if (!err && order == ORDER_PICTURE &&
	    faccessat(f->folder, f->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		err = -EEXIST;
	if (!err && order == ORDER_SIDECAR)
		err = clerk_work_own_snapshot(f);
	else if (!err && clerk_work_is_link(f))
		err = -ELOOP;
	if (!err)
		err = clerk_work_make(f);
	if (!err)
		c->answer_fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
	if (err)
		clerk_work_free(f);
	return err ? err : number;
}

static struct clerk_file *clerk_work_file(struct clerk *c, const struct clerk_word *w)
{
	return w->flags >= 0 && w->flags < CLERK_FILES && c->files[w->flags].folder >= 0 ?
		&c->files[w->flags] :
		NULL;
}

static int clerk_work_commit(struct clerk *c, const struct clerk_word *w)
{
	struct clerk_file *const f = clerk_work_file(c, w);
	int r;

	if (!f)
		return -EBADF;
	r = !f->hasty && fsync(f->fd) < 0 && errno != EINVAL && errno != EROFS ? -1 : 0;
	if (r == 0 && f->replace)
		r = renameat(f->folder, f->temporary, f->folder, f->name);
	else if (r == 0)
		r = linkat(f->folder, f->temporary, f->folder, f->name, 0);
	const int err = r < 0 ? -errno : 0;
	if (err || !f->replace)
		unlinkat(f->folder, f->temporary, 0);
	clerk_work_free(f);
	return err;
}

static int clerk_work_abort(struct clerk *c, const struct clerk_word *w)
{
	struct clerk_file *const f = clerk_work_file(c, w);

	if (!f)
		return -EBADF;
	unlinkat(f->folder, f->temporary, 0);
	clerk_work_free(f);
	return 0;
}

static int clerk_work_remove(struct clerk *c, const struct clerk_word *w)
{
	if (!c->orders->consume || strcmp(w->path, c->orders->consume) != 0)
		return -EACCES;
	return removal_of_file(w->path);
}

static int clerk_work_listen(struct clerk *c, const struct clerk_word *w)
{
	if (!c->orders->listen || strcmp(w->path, c->orders->listen) != 0 ||
	    c->socket.fd >= 0)
		return -EACCES;
	if (!*w->path || strlen(w->path) > LISTENER_PATH_MAX)
		return -ENAMETOOLONG;
	const int err = listener_open(&c->socket, w->path);
	if (!err)
		c->answer_fd = fcntl(c->socket.fd, F_DUPFD_CLOEXEC, 3);
	return err;
}

static int clerk_work_unlisten(struct clerk *c, const struct clerk_word *w)
{
	(void)w;
	listener_close(&c->socket);
	return 0;
}

static int (*const clerk_works_on[])(struct clerk *, const struct clerk_word *) = {
	[CLERK_OPEN] = clerk_work_open,
	[CLERK_MAY_OPEN] = clerk_work_may_open,
	[CLERK_OPEN_SPECIAL] = clerk_work_open_special,
	[CLERK_IS_SPECIAL] = clerk_work_is_special,
	[CLERK_KNOWS] = clerk_work_knows,
	[CLERK_CREATE] = clerk_work_create,
	[CLERK_COMMIT] = clerk_work_commit,
	[CLERK_ABORT] = clerk_work_abort,
	[CLERK_REMOVE] = clerk_work_remove,
	[CLERK_LISTEN] = clerk_work_listen,
	[CLERK_UNLISTEN] = clerk_work_unlisten,
};

/* ---- all ---- */

/* What the person wrote down for the viewer to do. */
static char *clerk_work_read_script(const char *path)
{
	const int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	char *const text = fd >= 0 ? calloc(1, CLERK_SCRIPT_MAX + 1) : NULL;
	struct stat st;

	if (text &&
	    (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	     pread(fd, text, CLERK_SCRIPT_MAX, 0) < 0))
		*text = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

static void clerk_work_answer(struct clerk *c, int channel, const struct clerk_word *w)
{
	struct clerk_answer answer = { -EINVAL };

	c->answer_fd = -1;
	if (w->action < sizeof(clerk_works_on) / sizeof(clerk_works_on[0]) &&
	    memchr(w->path, '\0', sizeof(w->path)))
		answer.result = clerk_works_on[w->action](c, w);
	clerk_send(channel, &answer, sizeof(answer), c->answer_fd);
	if (c->answer_fd >= 0)
		close(c->answer_fd);
}

static void clerk_work_on_end(int sig)
{
	(void)sig;
}

_Noreturn void clerk_work(const struct clerk_orders *orders, int channel)
{
	static struct clerk c;
	static struct clerk_word word;
	sigset_t all;

	/* The terminal's signals are the viewer's; its end interrupts an open. */
	sigfillset(&all);
	sigdelset(&all, SIGTERM);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = clerk_work_on_end }, NULL);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, "pymem-clerk", 0, 0, 0);
	c.orders = orders;
	c.socket.fd = -1;
	c.script = clerk_work_read_script(orders->script);
	for (int i = 0; i < CLERK_FILES; i++)
		c.files[i].folder = c.files[i].fd = -1;
	ssize_t n;
	while ((n = clerk_receive(channel, &word, sizeof(word), NULL)) == sizeof(word) ||
	       (n < 0 && errno == EINTR))
		if (n > 0)
			clerk_work_answer(&c, channel, &word);
	for (int i = 0; i < CLERK_FILES; i++)
		if (c.files[i].folder >= 0)
			unlinkat(c.files[i].folder, c.files[i].temporary, 0);
	listener_close(&c.socket);
	_exit(0);
}
