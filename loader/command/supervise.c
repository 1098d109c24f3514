/* SPDX-License-Identifier: MIT */
/* supervise - see supervise.h. */
#include "loader/command/supervise.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "formats/text/print.h"
#include "loader/base/clock.h"
#include "loader/base/foreground.h"
#include "loader/base/kernel.h"
#include "loader/command/convert.h"
#include "loader/command/launch.h"
#include "loader/command/leak_check.h"
#include "loader/command/upload.h"
#include "loader/target/process.h"

enum {
	SUPERVISE_LOOK_MS = 50, /* how often the command's end is looked for */
	SUPERVISE_FAMILY = 256, /* processes that are looked at for one to mark */
	SUPERVISE_MAPS = 16 << 20,
	SUPERVISE_PATIENCE = 20, /* seconds for the agent to begin: it gives up itself */
	SUPERVISE_TRIES = 3,
	SUPERVISE_LINES = 4096, /* of marks, read and not yet taken */
	SUPERVISE_LABEL = SUPERVISE_LINES + 1,
};

struct supervisor {
	const struct load_options *options;
	const char *as, *output; /* as the options, or the environment, have it */
	char viewer[4096];
	char folder[64]; /* snapshots come there */
	char mark[80], done[96];
	int notify, marks, hold; /* inotify; the FIFO, and an end of it that stays open */
	pid_t child;
	struct leak_check check;
	char label[SUPERVISE_LABEL]; /* of the snapshot that is waited for */
	char lines[SUPERVISE_LINES]; /* marks that wait for their turn */
	size_t lines_size;
	bool waiting, owed;    /* for a snapshot; an answer to who wrote the mark */
	bool named;	       /* marks come by name, none by signal */
	struct timespec asked; /* the mark's time, as files have it */
	uint64_t give_up;      /* clock_now: then it is asked for again, or no more */
	unsigned tries;
	uint64_t files;
	bool failed;
	bool partial; /* a file is there, but wasn't uploaded */
};

static volatile pid_t supervise_child; /* the command; 0 = it has not begun */
/* How many marks were asked for by SIGUSR2, and how many of them are begun. */
static volatile sig_atomic_t supervise_asked;
static sig_atomic_t supervise_begun;

/* Has the command ended?  Not waited for yet, its number is still its own. */
static bool supervise_has_ended(void)
{
	siginfo_t ended = { .si_pid = 0 };

	return supervise_child &&
		(waitid(P_PID, (id_t)supervise_child, &ended,
			WEXITED | WNOHANG | WNOWAIT) < 0 ||
		 ended.si_pid);
}

/*
 * The command's, as long as it lives, whatever we are at meanwhile: it may be the one
 * that makes it leave its last snapshot.  After that it ends what is made of those.
 */
static void supervise_on_signal(int sig, siginfo_t *info, void *context)
{
	const int error = errno;

	(void)context;
	if (supervise_has_ended())
		foreground_on_signal(sig);
	else if (info->si_code <= 0 && supervise_child)
		kill(supervise_child, sig); /* a terminal sends it to both */
	errno = error;
}

static void supervise_on_mark(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	if (info->si_code <= 0)
		supervise_asked++;
}

bool supervise_needed(const struct load_options *o)
{
	static const char suffix[] = ".summary";
	const char *const name = o->output ? o->output : getenv("PYMEM_OUTPUT");
	const size_t size = name ? strlen(name) : 0;

	return o->leak_check || o->as || o->upload ||
		(size >= sizeof(suffix) - 1 &&
		 strcmp(name + size - (sizeof(suffix) - 1), suffix) == 0);
}

/* ---- what is done with a snapshot ---- */

/* The pid in "20261129123759-4711.pymem". */
static int supervise_pid_of(const char *name)
{
	const char *const dash = strrchr(name, '-');

	return dash ? atoi(dash + 1) : 0;
}

static int supervise_open_output(const struct supervisor *s, const char *name,
				 struct output *ret, char error[512])
{
	const int pid = supervise_pid_of(name);
	const char *output = s->output;

	if (!output && !s->as) /* a name of our own would not have the pid */
		output = "pymem_out/pymem-snapshot-%t-%p.pymem";
	if (!output)
		output = !strcmp(s->as, "pprof") ? "pymem_out/pymem-profile-%t-%p.pb.gz" :
						   "pymem_out/pymem-%t-%p.summary";
	if (!s->output && mkdir("pymem_out", 0700) < 0 && errno != EEXIST) {
		snprintf(error, 512, "cannot make the folder pymem_out here: %s",
			 strerror(errno));
		return -1;
	}
	return output_open(ret, output, s->files, pid, error);
}

/* Makes what was asked for of a snapshot. 0 or -1 with a sentence. */
static int supervise_make(struct supervisor *s, const char *name, const char *path,
			  char error[512])
{
	struct output output;
	char why[UPLOAD_WHY];
	const int in = open(path, O_RDONLY | O_CLOEXEC);
	int err;

	if (in < 0) {
		snprintf(error, 512, "cannot read %.300s: %s", path, strerror(errno));
		return -1;
	}
	err = supervise_open_output(s, name, &output, error);
	if (!err && s->as) {
		err = convert_run(s->viewer, s->as, in, NULL, &output, error);
	} else if (!err) {
		err = output_append(output.fd, in);
		if (err) {
			snprintf(error, 512, "cannot write %.300s: %s", output.name,
				 strerror(-err));
			output_discard(&output);
		} else {
			err = output_commit(&output, error);
		}
	}
	close(in);
	if (err >= 0 && s->options->upload &&
	    !upload_run(s->options->upload, output.name, why)) {
		print_format(stderr, "pymem-load: not uploaded: %s: %s\n", output.name,
			     why);
		s->partial = true;
	}
	return err < 0 ? -1 : 0;
}

static void supervise_answer(struct supervisor *s)
{
	/* nobody waits: as long as the next mark doesn't come, somebody may */
	const int fd = s->owed ? open(s->done, O_WRONLY | O_NONBLOCK | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	s->owed = write(fd, "done\n", 5) != 5;
	close(fd);
}

/* Whether a file was begun before the mark: then it is of an earlier one, for which the
 * agent took two (a signal that comes while it is at one is served after it). */
static bool supervise_is_late(const struct supervisor *s, const char *path)
{
	struct statx st;

	if (kernel_statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &st) < 0 ||
	    !(st.stx_mask & STATX_BTIME))
		return false;
	return st.stx_btime.tv_sec != s->asked.tv_sec ?
		st.stx_btime.tv_sec < s->asked.tv_sec :
		(long)st.stx_btime.tv_nsec < s->asked.tv_nsec;
}

static void supervise_take_mark(struct supervisor *s, const char *path)
{
	if (s->waiting ? supervise_is_late(s, path) : s->named) {
		unlink(path);
		return;
	}
	leak_check_take(&s->check, s->waiting ? s->label : "", path);
	s->owed = s->waiting;
	s->waiting = false;
	supervise_answer(s);
}

static void supervise_take(struct supervisor *s, const char *name)
{
	char path[PATH_MAX], error[512];

	snprintf(path, sizeof(path), "%s/%s", s->folder, name);
	s->files++;
	if (s->options->leak_check) {
		supervise_take_mark(s, path);
		return;
	}
	if (supervise_make(s, name, path, error) < 0) {
		s->failed = true;
		print_format(stderr, "pymem-load: %s\n", error);
	}
	unlink(path);
}

static void supervise_look_for_files(struct supervisor *s)
{
	_Alignas(struct inotify_event) char buf[8192];
	ssize_t n;

	while ((n = read(s->notify, buf, sizeof(buf))) > 0) {
		const struct inotify_event *event;

		for (const char *at = buf; at < buf + n;
		     at += sizeof(*event) + event->len) {
			event = (const void *)at;
			const size_t size = event->len ? strlen(event->name) : 0;

			if (size > 6 && !strcmp(event->name + size - 6, ".pymem"))
				supervise_take(s, event->name);
		}
	}
}

/* ---- marks ---- */

/* Whether it is ours to send the signal to: the agent in it waits for it. */
static bool supervise_is_armed(pid_t pid)
{
	char *text = process_read_own(pid, "status", 1 << 16, NULL);
	const uint64_t caught = text ? process_text_field(text, "SigCgt", 16, 0) : 0;

	free(text);
	if (!(caught >> (SIGUSR2 - 1) & 1))
		return false;
	text = process_read_own(pid, "maps", SUPERVISE_MAPS, NULL);
	const bool armed = text && strstr(text, "libpymemagent");
	free(text);
	return armed;
}

static size_t supervise_add_children(pid_t pid, pid_t *family, size_t count)
{
	char path[64];
	size_t size;

	assert(pid > 0 && count <= SUPERVISE_FAMILY);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	char *const text = process_read_text(path, 1 << 16, &size);
	char *at = text, *end = text;

	while (at && count < SUPERVISE_FAMILY) {
		const long child = strtol(at, &end, 10);

		if (end == at)
			break;
		family[count++] = (pid_t)child;
		at = end;
	}
	free(text);
	return count;
}

/* The command's process that has the agent, or the nearest below it; 0: none has. */
static pid_t supervise_marked(const struct supervisor *s)
{
	pid_t family[SUPERVISE_FAMILY] = { s->child };
	size_t count = 1;

	for (size_t i = 0; i < count; i++) {
		if (supervise_is_armed(family[i]))
			return family[i];
		count = supervise_add_children(family[i], family, count);
	}
	return 0;
}

/* Sends the signal. False: there is nobody to send it to. */
static bool supervise_ask(struct supervisor *s)
{
	const pid_t pid = supervise_marked(s);

	/* the clock of files' times */
	clock_gettime(CLOCK_REALTIME_COARSE, &s->asked);
	s->give_up = clock_now() + SUPERVISE_PATIENCE * UINT64_C(1000000000);
	s->tries++;
	return pid && kill(pid, SIGUSR2) == 0;
}

/* Whether a snapshot is under way: a file that isn't whole. */
static bool supervise_is_taking(const struct supervisor *s)
{
	DIR *const folder = opendir(s->folder);
	const struct dirent *entry;
	bool found = false;

	while (folder && !found && (entry = readdir(folder)))
		found = strstr(entry->d_name, ".pymem.part") != NULL;
	if (folder)
		closedir(folder);
	return found;
}

/* Time is up: the agent may have had no chance to take it (a busy main thread). */
static void supervise_give_up(struct supervisor *s)
{
	if (supervise_is_taking(s)) {
		s->give_up = clock_now() + SUPERVISE_PATIENCE * UINT64_C(1000000000);
		return;
	}
	if (s->tries < SUPERVISE_TRIES && supervise_ask(s))
		return;
	print_format(stderr, "pymem-load: no snapshot came for mark '%s'\n", s->label);
	s->waiting = false;
	s->owed = s->failed = true;
}

static void supervise_mark(struct supervisor *s, const char *label)
{
	s->tries = 0;
	s->named |= *label != '\0';
	if (!supervise_ask(s)) {
		print_format(stderr,
			     "pymem-load: no process of the command takes snapshots "
			     "(yet, or with that signal): mark '%s' is left out\n",
			     label);
		s->owed = true;
		supervise_answer(s);
		return;
	}
	snprintf(s->label, sizeof(s->label), "%s", label);
	s->waiting = true;
	s->owed = false;
}

/* The next line, or what was written without an end: a mark's name. */
static void supervise_look_for_marks(struct supervisor *s)
{
	char label[SUPERVISE_LABEL];

	if (s->waiting || s->marks < 0)
		return;
	const ssize_t n = read(s->marks, s->lines + s->lines_size,
			       sizeof(s->lines) - s->lines_size);
	if (n > 0)
		s->lines_size += (size_t)n;
	if (!s->lines_size)
		return;
	const char *const end = memchr(s->lines, '\n', s->lines_size);
	const size_t size = end ? (size_t)(end - s->lines) : s->lines_size;
	const size_t used = size + (end != NULL);

	snprintf(label, sizeof(label), "%.*s", (int)size, s->lines);
	s->lines_size -= used;
	memmove(s->lines, s->lines + used, s->lines_size);
	supervise_mark(s, label);
}

/* ---- the command ---- */

static void supervise_look_for_signals(struct supervisor *s)
{
	if (supervise_asked == supervise_begun || s->waiting)
		return;
	supervise_begun++;
	supervise_mark(s, "");
}

static void supervise_catch(const struct supervisor *s)
{
	static const int passed[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_RESTART };

	action.sa_sigaction = supervise_on_signal;
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		sigaction(passed[i], &action, NULL);
	action.sa_sigaction = supervise_on_mark;
	if (s->options->leak_check)
		sigaction(SIGUSR2, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* In the child. */
static void supervise_start(const struct supervisor *s, const struct agent_file *agent)
{
	struct load_options own = *s->options;
	char pattern[128], error[512] = "";

	signal(SIGPIPE, SIG_DFL);
	snprintf(pattern, sizeof(pattern), "%s/%%t-%%p.pymem", s->folder);
	setenv("PYMEM_OUTPUT", pattern, 1);
	unsetenv("PYMEM_KEEP");
	if (own.leak_check) {
		setenv("PYMEM_SIGNAL", "USR2", 1);
		setenv("PYMEM_MARK", s->mark, 1);
	}
	launch_command(&own, agent, error);
	print_format(stderr, "pymem-load: %s\n", error);
	_exit(127);
}

/* The command has ended: marks whose snapshots it didn't wait for. */
static void supervise_say_missed(struct supervisor *s)
{
	if (s->waiting || s->lines_size || supervise_asked != supervise_begun ||
	    (s->marks >= 0 && read(s->marks, s->lines, 1) == 1))
		print_format(stderr,
			     "pymem-load: the command ended before the snapshots of its "
			     "last marks were taken; reading $PYMEM_MARK.done waits for "
			     "them\n");
}

static int supervise_make_folder(struct supervisor *s, char error[512])
{
	const char *const tmp = getenv("TMPDIR");

	snprintf(s->folder, sizeof(s->folder), "%.40s/pymem-XXXXXX",
		 tmp && *tmp == '/' && strlen(tmp) < 40 ? tmp : "/tmp");
	if (!mkdtemp(s->folder)) {
		snprintf(error, 512, "cannot make a folder %s: %s", s->folder,
			 strerror(errno));
		s->folder[0] = '\0';
		return -1;
	}
	snprintf(s->mark, sizeof(s->mark), "%s/mark", s->folder);
	snprintf(s->done, sizeof(s->done), "%s.done", s->mark);
	s->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (s->notify < 0 || inotify_add_watch(s->notify, s->folder, IN_MOVED_TO) < 0 ||
	    (s->options->leak_check &&
	     (mkfifo(s->mark, 0600) < 0 || mkfifo(s->done, 0600) < 0))) {
		snprintf(error, 512, "cannot watch %s: %s", s->folder, strerror(errno));
		return -1;
	}
	if (!s->options->leak_check)
		return 0;
	s->marks = open(s->mark, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	s->hold = open(s->mark, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	leak_check_init(&s->check, s->viewer, s->options->leak_check, s->folder);
	return 0;
}

static void supervise_clean(struct supervisor *s)
{
	static const char *const names[] = { "mark", "mark.done" };
	char path[PATH_MAX];

	for (size_t i = 0; i < 2 && s->folder[0]; i++) {
		snprintf(path, sizeof(path), "%s/%s", s->folder, names[i]);
		unlink(path);
	}
	if (s->folder[0] && rmdir(s->folder) < 0)
		print_format(stderr,
			     "pymem-load: %s stays: a snapshot in it isn't whole\n",
			     s->folder);
	if (s->notify >= 0)
		close(s->notify);
	if (s->marks >= 0)
		close(s->marks);
	if (s->hold >= 0)
		close(s->hold);
}

/* Until the command has ended. Its wait status. */
static int supervise_watch(struct supervisor *s)
{
	int status = 0;

	for (;;) {
		struct pollfd p[] = { { .fd = s->notify, .events = POLLIN },
				      { .fd = s->waiting ? -1 : s->marks,
					.events = POLLIN } };
		const bool ended = supervise_has_ended();

		supervise_look_for_files(s);
		if (ended) { /* its number is its own until here */
			waitpid(s->child, &status, 0);
			return status;
		}
		supervise_look_for_signals(s);
		supervise_look_for_marks(s);
		supervise_answer(s);
		if (s->waiting && clock_now() > s->give_up)
			supervise_give_up(s);
		poll(p, 2, SUPERVISE_LOOK_MS);
	}
}

/* The exit status: the command's own if it failed. */
static int supervise_status(const struct supervisor *s, int status)
{
	const struct leak_check *const c = &s->check;

	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	if (WEXITSTATUS(status))
		return WEXITSTATUS(status);
	if (foreground_told())
		return 128 + foreground_told();
	if (!s->options->leak_check)
		return s->failed ? 1 : s->partial ? 3 : 0;
	if (c->leaks)
		return SUPERVISE_LEAKS;
	print_format(stderr,
		     c->checks ?
			     "pymem-load: nothing grew at every one of %zu marks\n" :
			     "pymem-load: fewer than %zu marks of one name: nothing was "
			     "compared\n",
		     c->wanted);
	return s->failed || c->failed || !c->checks ? 1 : 0;
}

/* A signal that comes meanwhile finds the command. */
static void supervise_begin(struct supervisor *s, const struct agent_file *agent)
{
	sigset_t all, before;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	s->child = fork();
	if (s->child > 0)
		supervise_child = s->child;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (s->child == 0)
		supervise_start(s, agent);
}

int supervise_command(const struct load_options *o, const struct agent_file *agent,
		      char error[512])
{
	struct supervisor s = { .options = o,
				.as = o->as,
				.output = o->output,
				.notify = -1,
				.marks = -1,
				.hold = -1 };
	int status = -1;

	if (!s.output)
		s.output = getenv("PYMEM_OUTPUT");
	if (!s.as && !o->upload && !o->leak_check)
		s.as = "summary";
	if ((s.as || o->leak_check) && agent_file_viewer(s.viewer) < 0) {
		snprintf(error, 512, "pymem-view was not found, which compares and sums");
		return -1;
	}
	if (supervise_make_folder(&s, error) == 0) {
		supervise_catch(&s);
		supervise_begin(&s, agent);
		status = s.child < 0 ? -1 : supervise_watch(&s);
		if (o->leak_check) {
			supervise_say_missed(&s);
			leak_check_end(&s.check);
		}
		if (s.child >= 0)
			status = supervise_status(&s, status);
		else
			snprintf(error, 512, "cannot start it: %s", strerror(errno));
	}
	supervise_clean(&s);
	return status;
}
