/* SPDX-License-Identifier: MIT */
/* leak_check - see leak_check.h. */
#include "loader/command/leak_check.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "formats/text/print.h"
#include "loader/command/show.h"
#include "loader/output/output.h"

enum { LEAK_CHECK_ROOM = 1 << 30 };

struct leak_series {
	char *label;
	char **file; /* its last ones, `wanted` at most, oldest first; owned */
	size_t files;
	uint64_t marks;	    /* of this name, so far */
	uint64_t last;	    /* when: the number of its last mark among all */
	bool compared, cut; /* they were; snapshots that it needs were removed */
};

void leak_check_init(struct leak_check *check, const char *viewer, size_t wanted,
		     const char *folder)
{
	struct statvfs disk;

	*check = (struct leak_check){ .viewer = viewer,
				      .wanted = wanted,
				      .room = LEAK_CHECK_ROOM };
	/* others need it too, and it may be memory */
	if (statvfs(folder, &disk) == 0 && disk.f_frsize &&
	    (uint64_t)disk.f_bavail < check->room / disk.f_frsize * 2)
		check->room = disk.f_bavail * disk.f_frsize / 2;
}

static uint64_t leak_check_size(const char *file)
{
	struct stat st;

	return stat(file, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void leak_check_forget(struct leak_check *check, struct leak_series *s,
			      size_t count)
{
	assert(count <= s->files);
	for (size_t i = 0; i < count; i++) {
		const uint64_t size = leak_check_size(s->file[i]);

		check->size -= size < check->size ? size : check->size;
		unlink(s->file[i]);
		free(s->file[i]);
	}
	s->files -= count;
	memmove(s->file, s->file + count, s->files * sizeof(*s->file));
}

/* Prints the rows of an answer, if there are any: how many. */
static size_t leak_check_print(int fd, const char *label, size_t marks)
{
	FILE *const in = lseek(fd, 0, SEEK_SET) == 0 ? fdopen(fd, "r") : NULL;
	size_t room = 0, rows = 0;
	char *line = NULL;

	if (in && getline(&line, &room, in) > 0) /* columns: said in the sentence */
		while (getline(&line, &room, in) > 0) {
			if (strstr(line, "nothing to show") == line + strspn(line, " "))
				continue;
			if (!rows++)
				print_format(stderr,
					     "pymem-load: %s%sgrew at every one of %zu "
					     "marks:\n",
					     label, *label ? ": " : "", marks);
			print_lines(stderr, "  ");
			print_lines(stderr, line);
		}
	free(line);
	if (in)
		fclose(in);
	else
		close(fd);
	return rows;
}

static void leak_check_compare(struct leak_check *check, struct leak_series *s)
{
	char query[512], error[512];
	const int fd = output_scratch(NULL, error);
	int status = 127;

	assert(s->files == check->wanted && check->wanted > 1);
	s->compared = true;
	s->cut = false;
	snprintf(query, sizeof(query),
		 /* the interpreter's caches of names are bounded */
		 "SELECT path, type, sum(count_diff) AS objects, sum(total_diff) AS bytes"
		 " FROM growth WHERE path NOT GLOB 'interpreter type attribute cache*'"
		 " GROUP BY path, type"
		 " HAVING count(*) = %zu AND min(count_diff) > 0 ORDER BY bytes DESC",
		 check->wanted - 1);
	if (fd >= 0)
		status = show_query(check->viewer, query, (const char *const *)s->file,
				    s->files, fd);
	if (status == 0 || status == 3) {
		check->checks++;
		check->leaks += leak_check_print(fd, s->label, check->wanted) > 0;
		return;
	}
	if (fd >= 0)
		close(fd);
	check->failed = true;
	print_format(stderr, "pymem-load: %s%s%s\n", s->label, *s->label ? ": " : "",
		     fd < 0 ? error : "pymem-view could not compare the marks");
}

/* ---- the names ---- */

/* Those of that name, found or new. NULL: no memory. */
static struct leak_series *leak_check_find(struct leak_check *check, const char *label)
{
	struct leak_series new = { .label = NULL };

	for (size_t i = check->count; i-- > 0;)
		if (!strcmp(check->series[i].label, label))
			return &check->series[i];
	if (check->count == check->capacity) {
		const size_t capacity = check->capacity ? 2 * check->capacity : 8;
		void *const more = realloc(check->series, capacity * sizeof(new));

		if (!more)
			return NULL;
		check->series = more;
		check->capacity = capacity;
	}
	new.label = strdup(label);
	new.file = calloc(check->wanted, sizeof(*new.file));
	if (!new.label || !new.file) {
		free(new.label);
		free(new.file);
		return NULL;
	}
	check->series[check->count] = new;
	return &check->series[check->count++];
}

/* The one with snapshots whose mark was set first of all last ones; NULL: only the one
 * just marked has any. */
static struct leak_series *leak_check_oldest(const struct leak_check *check)
{
	struct leak_series *ret = NULL;

	for (size_t i = 0; i < check->count; i++) {
		struct leak_series *const s = &check->series[i];

		if (s->files && s->last < check->marks && (!ret || s->last < ret->last))
			ret = s;
	}
	return ret;
}

static void leak_check_make_room(struct leak_check *check)
{
	struct leak_series *s;

	while (check->size > check->room && (s = leak_check_oldest(check))) {
		if (s->files == check->wanted)
			leak_check_compare(check, s);
		else
			s->cut = true;
		leak_check_forget(check, s, s->files);
	}
}

void leak_check_take(struct leak_check *check, const char *label, const char *file)
{
	struct leak_series *const s = leak_check_find(check, label);
	char *const copy = s ? strdup(file) : NULL;

	if (!copy) {
		check->failed = true;
		unlink(file);
		return;
	}
	if (s->files == check->wanted)
		leak_check_forget(check, s, 1);
	assert(s->files < check->wanted);
	s->file[s->files++] = copy;
	check->size += leak_check_size(copy);
	s->marks++;
	s->last = ++check->marks;
	leak_check_make_room(check);
}

/* The program has ended. */
static void leak_check_conclude(struct leak_check *check, struct leak_series *s)
{
	const char *const colon = *s->label ? ": " : "";

	assert(s->marks > 0);
	if (s->files == check->wanted) {
		leak_check_compare(check, s);
	} else if (s->marks < check->wanted) {
		print_format(stderr, "pymem-load: %s%sonly %" PRIu64 " of %zu marks\n",
			     s->label, colon, s->marks, check->wanted);
	} else if (s->cut || s->files) {
		check->failed = true;
		print_format(
			stderr,
			"pymem-load: %s%s%s compared: the snapshots of all names "
			"took more than %" PRIu64 " MiB, and some of this one's were "
			"removed\n",
			s->label, colon, s->compared ? "the last marks were not" : "not",
			check->room >> 20);
	}
	leak_check_forget(check, s, s->files);
}

void leak_check_end(struct leak_check *check)
{
	for (size_t i = 0; i < check->count; i++) {
		leak_check_conclude(check, &check->series[i]);
		free(check->series[i].label);
		free(check->series[i].file);
	}
	free(check->series);
	check->series = NULL;
	check->count = check->capacity = 0;
}
