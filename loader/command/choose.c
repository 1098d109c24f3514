/* SPDX-License-Identifier: MIT */
/* choose - see choose.h. */
#include "loader/command/choose.h"

#include <assert.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/text/escape.h"
#include "formats/text/print.h"
#include "loader/base/amount.h"
#include "loader/base/deadline.h"
#include "loader/target/target.h"

enum { CHOOSE_LISTED = 20, CHOOSE_COMMAND = 8192 };

/* A process that was running when we looked. */
struct candidate {
	pid_t pid, parent;
	bool matches;
};

struct choice {
	struct candidate *all;
	size_t count;
	int cancel_fd;
};

static int choose_wrong(char error[512], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int choose_wrong(char error[512], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, 512, format, args);
	va_end(args);
	return -1;
}

static const char *choose_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Whether a word of a command line has the name: its last part, with or without .py. */
static bool choose_word_is(const char *word, const char *name)
{
	const char *base = choose_base(word);
	const size_t n = strlen(name);

	return strcmp(word, name) == 0 || strcmp(base, name) == 0 ||
		(strncmp(base, name, n) == 0 && strcmp(base + n, ".py") == 0);
}

/* "gunicorn: worker [app]", "[celeryd: ...]": a title that a program gave itself. */
static bool choose_title_is(const char *title, const char *name)
{
	const size_t n = strlen(name);

	title += *title == '[';
	return strncmp(title, name, n) == 0 && title[n] == ':';
}

/* What an interpreter runs: the word after its options, or after -m. */
static bool choose_script_is(const char *word, const char *end, const char *name)
{
	if (strncmp(choose_base(word), "python", 6) != 0)
		return false;
	for (word += strlen(word) + 1; word < end && *word == '-';
	     word += strlen(word) + 1) {
		const bool takes = strcmp(word, "-X") == 0 || strcmp(word, "-W") == 0;

		if (strcmp(word, "-c") == 0)
			return false;
		if (strcmp(word, "-m") == 0) {
			word += strlen(word) + 1;
			return word < end && strcmp(word, name) == 0;
		}
		if (takes)
			word += strlen(word) + 1;
	}
	return word < end && choose_word_is(word, name);
}

static bool choose_has_name(pid_t pid, const char *name)
{
	char comm[64];
	size_t size = 0;

	if (strcmp(process_name(pid, comm, sizeof(comm)), name) == 0)
		return true;
	char *line = process_read_own(pid, "cmdline", CHOOSE_COMMAND, &size);
	const bool has = line && size &&
		(choose_word_is(line, name) || choose_title_is(line, name) ||
		 choose_script_is(line, line + size, name));
	free(line);
	return has;
}

/* False only of what is known to be no CPython: a refusal is told by the plan. */
static bool choose_is_python(const struct choice *c, pid_t pid)
{
	struct load_error err = { 0 };
	struct target target;

	deadline_begin(pid, 0, c->cancel_fd);
	const int opened = target_open(pid, false, &target, &err);
	deadline_end();
	if (opened == 0)
		target_close(&target);
	return opened == 0 ||
		(err.code != LOAD_E_NOT_PYTHON && err.code != LOAD_E_GONE &&
		 err.code != LOAD_E_UNSUPPORTED && err.code != LOAD_E_STATE);
}

/* All processes but ourselves. 0 or -1. */
static int choose_look(struct choice *c)
{
	DIR *dir = opendir("/proc");
	size_t room = 0;

	for (struct dirent *e; dir && (e = readdir(dir));) {
		struct process p;
		char *end;
		const long pid = strtol(e->d_name, &end, 10);

		if (pid < 1 || *end || pid == getpid() ||
		    process_read((pid_t)pid, &p, NULL) < 0 || p.kthread)
			continue;
		if (c->count == room) {
			room = room ? 2 * room : 256;
			struct candidate *more =
				reallocarray(c->all, room, sizeof(*c->all));
			if (!more) {
				closedir(dir);
				return -1;
			}
			c->all = more;
		}
		c->all[c->count++] = (struct candidate){ p.pid, p.ppid, false };
	}
	if (dir)
		closedir(dir);
	return dir ? 0 : -1;
}

static const struct candidate *choose_find(const struct choice *c, pid_t pid)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->all[i].pid == pid)
			return &c->all[i];
	return NULL;
}

/* Whether `pid` was started by `by`, or by what that started, and so on. */
static bool choose_started_by(const struct choice *c, pid_t pid, pid_t by)
{
	const struct candidate *at = choose_find(c, pid);

	for (size_t steps = 0; at && steps < c->count; steps++) {
		if (at->parent == by)
			return true;
		at = choose_find(c, at->parent);
	}
	return false;
}

/* ---- a name ---- */

static size_t choose_match(struct choice *c, const char *name)
{
	size_t matches = 0;

	for (size_t i = 0; i < c->count; i++) {
		struct candidate *one = &c->all[i];

		one->matches =
			choose_has_name(one->pid, name) && choose_is_python(c, one->pid);
		matches += one->matches;
	}
	return matches;
}

/* The match that started all others, NULL: there is none. */
static const struct candidate *choose_root(const struct choice *c)
{
	for (size_t i = 0; i < c->count; i++) {
		bool all = c->all[i].matches;

		for (size_t k = 0; k < c->count && all; k++)
			if (c->all[k].matches && k != i)
				all = choose_started_by(c, c->all[k].pid, c->all[i].pid);
		if (all)
			return &c->all[i];
	}
	return NULL;
}

/* "  1234    52.1 MiB  python3 web.py --port 80" */
static void choose_print_one(pid_t pid)
{
	char *status = process_read_own(pid, "status", 65536, NULL);
	const uint64_t rss = status ? process_text_field(status, "VmRSS", 10, 0) : 0;
	char size[24], shown[160];
	size_t length = 0;

	free(status);
	char *line = process_read_own(pid, "cmdline", CHOOSE_COMMAND, &length);
	for (size_t i = 0; line && i + 1 < length; i++)
		if (!line[i])
			line[i] = ' ';
	escape_copy(shown, sizeof(shown), line ? line : "?",
		    line ? strnlen(line, length) : 1);
	free(line);
	print_format(stderr, "%9d  %10s  %s\n", (int)pid, amount_bytes(size, rss * 1024),
		     shown);
}

static void choose_print(const struct choice *c)
{
	size_t shown = 0, more = 0;

	for (size_t i = 0; i < c->count; i++) {
		if (!c->all[i].matches)
			continue;
		if (shown < CHOOSE_LISTED) {
			choose_print_one(c->all[i].pid);
			shown++;
		} else {
			more++;
		}
	}
	if (more)
		print_format(stderr, "  and %zu more\n", more);
}

static int choose_add(struct load_options *o, pid_t pid)
{
	for (size_t i = 0; i < o->pid_count; i++)
		if (o->pids[i] == pid)
			return 0;
	pid_t *more =
		reallocarray((void *)(uintptr_t)o->pids, o->pid_count + 1, sizeof(*more));
	if (!more)
		return -1;
	assert(pid > 0);
	more[o->pid_count++] = pid;
	o->pids = more;
	return 0;
}

static int choose_by_name(struct choice *c, struct load_options *o, const char *name,
			  char error[512])
{
	const size_t matches = choose_match(c, name);
	const struct candidate *root = matches ? choose_root(c) : NULL;
	char shown[128];

	escape_copy(shown, sizeof(shown), name, strlen(name));
	if (!matches)
		return choose_wrong(error,
				    "no CPython process is called '%s': give its id, or "
				    "the name that ps shows",
				    shown);
	if (root && (matches == 1 || o->children))
		return choose_add(o, root->pid) < 0 ?
			choose_wrong(error, "out of memory") :
			0;
	choose_print(c);
	return choose_wrong(error, "%zu processes are called '%s': give the id of one%s",
			    matches, shown,
			    root ? ", or --children for all of them" : "");
}

/* ---- what they started ---- */

static int choose_children(struct choice *c, struct load_options *o, char error[512])
{
	const size_t given = o->pid_count;

	for (size_t i = 0; i < c->count; i++) {
		bool wanted = false;

		for (size_t k = 0; k < given && !wanted; k++)
			wanted = choose_started_by(c, c->all[i].pid, o->pids[k]);
		if (wanted && choose_is_python(c, c->all[i].pid) &&
		    choose_add(o, c->all[i].pid) < 0)
			return choose_wrong(error, "out of memory");
	}
	return 0;
}

int choose_processes(struct load_options *o, int cancel_fd, char error[512])
{
	struct choice c = { .cancel_fd = cancel_fd };
	int done = 0;

	if (!o->wanted_count && !o->children)
		return 0;
	if (choose_look(&c) < 0)
		done = choose_wrong(error, "cannot list the processes in /proc");
	for (size_t i = 0; i < o->wanted_count && done == 0; i++)
		done = choose_by_name(&c, o, o->wanted[i], error);
	if (done == 0 && o->children)
		done = choose_children(&c, o, error);
	free(c.all);
	if (done == 0 && o->every_ns && o->pid_count > 1)
		return choose_wrong(error, "--every takes one process, these are %zu",
				    o->pid_count);
	return done;
}
