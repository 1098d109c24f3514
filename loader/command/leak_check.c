/* SPDX-License-Identifier: MIT */
/* leak_check - see leak_check.h. */
#include "loader/command/leak_check.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/text/print.h"
#include "loader/command/show.h"
#include "loader/output/output.h"

int leak_check_init(struct leak_check *check, const char *viewer, size_t wanted)
{
	*check = (struct leak_check){ .viewer = viewer, .wanted = wanted };
	check->file = calloc(wanted + 1, sizeof(*check->file));
	return check->file ? 0 : -ENOMEM;
}

static void leak_check_forget(struct leak_check *check, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		unlink(check->file[i]);
		free(check->file[i]);
	}
	check->files -= count;
	memmove(check->file, check->file + count, check->files * sizeof(*check->file));
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

static void leak_check_compare(struct leak_check *check)
{
	char query[512], error[512];
	const int fd = output_scratch(NULL, error);
	int status = 127;

	assert(check->files == check->wanted && check->wanted > 1);
	snprintf(query, sizeof(query),
		 /* the interpreter's caches of names are bounded */
		 "SELECT path, type, sum(count_diff) AS objects, sum(total_diff) AS bytes"
		 " FROM growth WHERE path NOT GLOB 'interpreter type attribute cache*'"
		 " GROUP BY path, type"
		 " HAVING count(*) = %zu AND min(count_diff) > 0 ORDER BY bytes DESC",
		 check->wanted - 1);
	if (fd >= 0)
		status = show_query(check->viewer, query,
				    (const char *const *)check->file, check->files, fd);
	if (status == 0 || status == 3) {
		check->checks++;
		check->leaks += leak_check_print(fd, check->label, check->wanted) > 0;
		return;
	}
	if (fd >= 0)
		close(fd);
	check->failed = true;
	print_format(stderr, "pymem-load: %s%s%s\n", check->label,
		     *check->label ? ": " : "",
		     fd < 0 ? error : "pymem-view could not compare the marks");
}

static void leak_check_conclude(struct leak_check *check)
{
	if (check->files == check->wanted)
		leak_check_compare(check);
	else if (check->files)
		print_format(stderr, "pymem-load: %s%sonly %zu of %zu marks\n",
			     check->label, *check->label ? ": " : "", check->files,
			     check->wanted);
	leak_check_forget(check, check->files);
}

void leak_check_take(struct leak_check *check, const char *label, const char *file)
{
	char *const copy = strdup(file);

	if (!copy) {
		check->failed = true;
		unlink(file);
		return;
	}
	if (strcmp(check->label, label) != 0)
		leak_check_conclude(check);
	snprintf(check->label, sizeof(check->label), "%s", label);
	if (check->files == check->wanted)
		leak_check_forget(check, 1);
	assert(check->files < check->wanted);
	check->file[check->files++] = copy;
	check->marks++;
}

void leak_check_end(struct leak_check *check)
{
	leak_check_conclude(check);
	free(check->file);
	check->file = NULL;
}
