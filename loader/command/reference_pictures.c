/* SPDX-License-Identifier: MIT */
/*
 * reference_pictures - see reference_pictures.h.
 *
 * The totals per type are counted from the snapshot's own events, so the choice
 * of types doesn't depend on the words of another program's report.
 */
#include "loader/command/reference_pictures.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/base/foreground.h"
#include "formats/core/reader.h"
#include "formats/text/escape.h"
#include "loader/command/upload.h"

struct total {
	uint32_t name; /* string id */
	uint64_t size;
	uint64_t count;
};

/* One process: names and totals. */
struct totals {
	struct snap_sink sink;
	struct totals *next;
	uint64_t pid;
	char **strings; /* by id */
	size_t string_count;
	struct total *types; /* by id */
	size_t type_count;
};

struct reading {
	struct totals *first, **last;
};

/* Room for index `at`, zeroed. 0 or -ENOMEM. */
static int reference_pictures_grow(void *array, size_t *count, size_t at, size_t each)
{
	void **p = array;

	if (at < *count)
		return 0;
	const size_t bigger = (at + 1) * 2;
	char *grown = reallocarray(*p, bigger, each);
	if (!grown)
		return -ENOMEM;
	memset(grown + *count * each, 0, (bigger - *count) * each);
	*p = grown;
	*count = bigger;
	return 0;
}

static int reference_pictures_on_fact(struct snap_sink *sink,
				      const struct snap_fact *fact)
{
	struct totals *t = (struct totals *)sink;

	if (strcmp(fact->key, "pid") == 0 && fact->kind == SNAP_FACT_U64)
		t->pid = fact->u64;
	return 0;
}

static int reference_pictures_on_string(struct snap_sink *sink, uint32_t id,
					const char *text, size_t size)
{
	struct totals *t = (struct totals *)sink;

	if (reference_pictures_grow(&t->strings, &t->string_count, id,
				    sizeof(*t->strings)) < 0)
		return -ENOMEM;
	free(t->strings[id]);
	t->strings[id] = strndup(text, size);
	return t->strings[id] ? 0 : -ENOMEM;
}

static int reference_pictures_on_type(struct snap_sink *sink,
				      const struct snap_type *type)
{
	struct totals *t = (struct totals *)sink;

	if (reference_pictures_grow(&t->types, &t->type_count, type->id,
				    sizeof(*t->types)) < 0)
		return -ENOMEM;
	t->types[type->id].name = type->name;
	return 0;
}

static int reference_pictures_on_object(struct snap_sink *sink,
					const struct snap_object *object)
{
	struct totals *t = (struct totals *)sink;

	if (foreground_told())
		return -ECANCELED;
	if (object->type < t->type_count) {
		t->types[object->type].size += object->size;
		t->types[object->type].count++;
	}
	return 0;
}

static const struct snap_sink_ops totals_ops = {
	.fact = reference_pictures_on_fact,
	.string = reference_pictures_on_string,
	.type = reference_pictures_on_type,
	.object = reference_pictures_on_object,
};

static struct snap_sink *reference_pictures_on_begin(void *arg, uint32_t ordinal)
{
	struct reading *reading = arg;
	struct totals *t = calloc(1, sizeof(*t));

	(void)ordinal;
	if (!t)
		return NULL;
	t->sink.ops = &totals_ops;
	*reading->last = t;
	reading->last = &t->next;
	return &t->sink;
}

static int reference_pictures_on_finish(void *arg, uint32_t ordinal, int complete,
					const struct snap_problem *problem)
{
	(void)arg, (void)ordinal, (void)complete, (void)problem;
	return 0;
}

static void reference_pictures_totals_free(struct totals *t)
{
	while (t) {
		struct totals *next = t->next;

		for (size_t i = 0; i < t->string_count; i++)
			free(t->strings[i]);
		free(t->strings);
		free(t->types);
		free(t);
		t = next;
	}
}

static const char *reference_pictures_name_of(const struct totals *t,
					      const struct total *type)
{
	const char *s = type->name < t->string_count ? t->strings[type->name] : NULL;

	return s ? s : "";
}

struct drawing {
	const struct load_options *options;
	const char *viewer, *file;
	void (*said)(void *arg, const char *line);
	void *arg;
	int missing;
};

static void reference_pictures_tell(const struct drawing *d, const char *what,
				    const char *name, const char *why)
{
	char line[PATH_MAX + 400], safe[PATH_MAX];

	escape_copy(safe, sizeof(safe), name, strlen(name));
	snprintf(line, sizeof(line), "%s %s%s%s", what, safe, *why ? ": " : "", why);
	d->said(d->arg, line);
}

/* Runs argv with its output thrown away (errors go where ours do). Exit status or -1. */
static int reference_pictures_run(const char *const *argv)
{
	int status = -1;
	const pid_t pid = fork();

	if (pid == 0) {
		const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		foreground_default_signals();
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	if (pid > 0)
		foreground_attend(pid, false, &status);
	return pid > 0 && status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void reference_pictures_upload(const struct drawing *d, const char *picture)
{
	char why[UPLOAD_WHY];

	if (d->options->upload && !upload_run(d->options->upload, picture, why) &&
	    !foreground_told())
		reference_pictures_tell(d, "not uploaded:", picture, why);
}

/* The type's last name, made fit for a file: "Foo" of "__main__.Foo". */
static void reference_pictures_file_part(char *dst, size_t size, const char *type)
{
	const char *dot = strrchr(type, '.');
	size_t n = 0;

	for (const char *s = dot && dot[1] ? dot + 1 : type; *s && n + 1 < size && n < 80;
	     s++) {
		const bool plain = (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
			(*s >= 'A' && *s <= 'Z') || *s == '_';

		dst[n++] = plain ? *s : '_';
	}
	dst[n] = '\0';
}

static void reference_pictures_draw_one(struct drawing *d, uint64_t pid, const char *type,
					bool back)
{
	char picture[PATH_MAX], part[96], folder[PATH_MAX], number[24];
	struct stat st;

	if (foreground_told())
		return;
	snprintf(folder, sizeof(folder), "%s", d->file);
	reference_pictures_file_part(part, sizeof(part), type);
	if (snprintf(picture, sizeof(picture), "%s/%sref_%" PRIu64 "_%s.png",
		     dirname(folder), back ? "back" : "", pid,
		     part) >= (int)sizeof(picture))
		return;
	snprintf(number, sizeof(number), "%" PRIu64, pid);
	unlink(picture); /* an older one must not be taken for this one */
	const char *const argv[] = {
		d->viewer, "--graph", back ? "backrefs" : "refs",
		"--of",	   type,      "--pid",
		number,	   "-o",      picture,
		"--",	   d->file,   NULL,
	};
	const int status = reference_pictures_run(argv);
	if (stat(picture, &st) == 0 && st.st_size > 0 && (status == 0 || status == 3)) {
		chmod(picture, 0600);
		reference_pictures_tell(d, "wrote", picture, "");
		reference_pictures_upload(d, picture);
		return;
	}
	if (foreground_told())
		return;
	d->missing++;
	reference_pictures_tell(d, "not drawn:", picture,
				status == 127 ? "pymem-view could not be run" :
						"pymem-view could not draw it");
}

static void reference_pictures_draw_type(struct drawing *d, const struct totals *t,
					 const struct total *type)
{
	reference_pictures_draw_one(d, t->pid, reference_pictures_name_of(t, type),
				    false);
	reference_pictures_draw_one(d, t->pid, reference_pictures_name_of(t, type), true);
}

static int reference_pictures_by_size(const void *a, const void *b)
{
	const struct total *x = a, *y = b;

	return x->size < y->size ? 1 : x->size > y->size ? -1 : 0;
}

static void reference_pictures_draw_process(struct drawing *d, struct totals *t)
{
	const struct load_options *o = d->options;
	unsigned drawn = 0;

	if (t->type_count)
		qsort(t->types, t->type_count, sizeof(*t->types),
		      reference_pictures_by_size);
	for (size_t i = 0; i < t->type_count && drawn < o->references; i++) {
		if (t->types[i].count == 0)
			continue;
		reference_pictures_draw_type(d, t, &t->types[i]);
		drawn++;
	}
	for (size_t n = 0; n < o->name_count && !foreground_told(); n++) {
		size_t i = 0;

		while (i < t->type_count &&
		       (t->types[i].count == 0 ||
			!strstr(reference_pictures_name_of(t, &t->types[i]),
				o->names[n])))
			i++;
		if (i < t->type_count) {
			reference_pictures_draw_type(d, t, &t->types[i]);
		} else {
			d->missing++;
			reference_pictures_tell(d, "not drawn: no type's name contains",
						o->names[n], "");
		}
	}
}

int reference_pictures_draw(const struct load_options *options, const char *viewer,
			    const char *file, void (*said)(void *arg, const char *line),
			    void *arg)
{
	static const struct snap_parser_ops ops = {
		.begin = reference_pictures_on_begin,
		.finish = reference_pictures_on_finish
	};
	struct drawing d = { options, viewer, file, said, arg, 0 };
	struct reading reading = { NULL, NULL };
	struct snap_problem problem = { 0 };

	reading.last = &reading.first;
	const int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 ||
	    (snap_read_fd(fd, NULL, &ops, &reading, &problem) < 0 && !reading.first)) {
		if (!foreground_told())
			reference_pictures_tell(&d, "cannot read", file,
						fd < 0 ? strerror(errno) : problem.text);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	close(fd);
	for (struct totals *t = reading.first; t; t = t->next)
		reference_pictures_draw_process(&d, t);
	reference_pictures_totals_free(reading.first);
	return d.missing;
}
