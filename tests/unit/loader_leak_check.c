/* SPDX-License-Identifier: MIT */
/* Marks by name: which files are compared, in which order, and which are removed when. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/command/leak_check.h"

enum { SIZE = 1000 };

/* In pymem-view's place: writes down the files, of which nothing grew. */
static const char viewer[] = "#!/bin/sh\n"
			     "while [ \"$1\" != -- ]; do shift; done; shift\n"
			     "echo \"$@\" >>compared\n"
			     "echo path; echo nothing to show\n";
static char dir[64], program[80];

static void put(const char *name, const char *text, size_t size)
{
	FILE *const f = fopen(name, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/pymem-unit-XXXXXX");
	if (!mkdtemp(dir) || chdir(dir) < 0)
		return -1;
	snprintf(program, sizeof(program), "%s/view", dir);
	put(program, viewer, sizeof(viewer) - 1);
	return chmod(program, 0700);
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return chdir("/") == 0 ? system(command) : -1;
}

/* Marks "a1 b1 a2": a letter is the name, the word the file. */
static void take(struct leak_check *check, const char *marks)
{
	static const char bytes[SIZE];
	char words[256], *at = words;

	snprintf(words, sizeof(words), "%s", marks);
	for (char *word; (word = strsep(&at, " "));) {
		const char label[] = { word[0], '\0' };

		put(word, bytes, sizeof(bytes));
		leak_check_take(check, label, word);
	}
}

/* Files that there are, but for the program and what it wrote. */
static size_t kept(void)
{
	glob_t g;
	size_t n = 0;

	if (glob("[a-z][0-9]", 0, NULL, &g) == 0) {
		n = g.gl_pathc;
		globfree(&g);
	}
	return n;
}

static void compared(const char *expected)
{
	char text[512] = "";
	FILE *const f = fopen("compared", "r");

	if (f) {
		text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
		fclose(f);
	}
	assert_string_equal(text, expected);
}

static void by_name(void **state)
{
	struct leak_check check;

	(void)state;
	leak_check_init(&check, program, 2, dir);
	assert_true(check.room > 0);
	take(&check, "a1 b1 a2 c1 b2 a3");
	assert_int_equal(kept(), 5); /* the newest two of each */
	compared("");
	leak_check_end(&check);
	compared("a2 a3\nb1 b2\n");
	assert_int_equal(check.checks, 2);
	assert_int_equal(check.leaks, 0);
	assert_false(check.failed);
	assert_int_equal(kept(), 0);
}

static void in_little_room(void **state)
{
	struct leak_check check;

	(void)state;
	leak_check_init(&check, program, 2, dir);
	check.room = 3 * SIZE;
	take(&check, "a1 a2 b1"); /* as tests do, one after the other */
	compared("");
	take(&check, "b2");
	compared("a1 a2\n");
	assert_int_equal(kept(), 2);
	take(&check, "c1 d1");
	compared("a1 a2\nb1 b2\n");
	take(&check, "e1 f1 c2"); /* c1 went for f1 */
	leak_check_end(&check);
	compared("a1 a2\nb1 b2\n");
	assert_true(check.failed); /* two marks of c, never compared */
	assert_int_equal(kept(), 0);
}

static void one_name_needs_no_room(void **state)
{
	struct leak_check check;

	(void)state;
	leak_check_init(&check, program, 3, dir);
	check.room = 1;
	take(&check, "a1 a2 a3 a4");
	assert_int_equal(kept(), 3);
	leak_check_end(&check);
	compared("a2 a3 a4\n");
	assert_int_equal(check.size, 0);
	assert_false(check.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(in_little_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_name_needs_no_room, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
