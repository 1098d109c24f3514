/* SPDX-License-Identifier: MIT */
/* Drawing in a limited process: pictures, bad input, time and memory running out. */
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <errno.h>
#include <dirent.h>
#include <unistd.h>
#include <cmocka.h>

#include "viewer/graph/dot.h"
#include "viewer/graph/draw.h"

static char directory[] = "/tmp/pymem-draw-XXXXXX";
static char file[100];

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(file, sizeof(file), "%s/out", directory);
	return 0;
}

/* Nothing temporary may be left. */
static void assert_only(const char *name)
{
	DIR *d = opendir(directory);
	struct dirent *e;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			assert_true(name && strcmp(e->d_name, name) == 0);
	closedir(d);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child either */
	assert_int_equal(errno, ECHILD);
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(directory);
}

static int draw(const char *dot, const char *engine, const char *format,
		const struct draw_limits *limits, const struct progress *progress,
		char err[400])
{
	err[0] = 0;
	return draw_dot(dot, engine, format, file, limits, progress, err, 400);
}

static void test_pictures(void **state)
{
	(void)state;
	char err[400], head[9] = "";
	const char *dot = "digraph g { a -> b [label=\"x\"]; }";
	assert_int_equal(draw(dot, "dot", "png", NULL, NULL, err), 0);
	FILE *f = fopen(file, "re");
	assert_int_equal(fread(head, 1, 8, f), 8);
	fclose(f);
	assert_memory_equal(head, "\x89PNG\r\n\x1a\n", 8);
	struct stat st;
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(
		draw("digraph g { subgraph cluster_a { x [area=2]; y [area=1]; } }",
		     "patchwork", "svg", NULL, NULL, err),
		0);
	f = fopen(file, "re");
	assert_int_equal(fread(head, 1, 5, f), 5);
	fclose(f);
	assert_memory_equal(head, "<?xml", 5);
	assert_only("out");
	unlink(file);
}

static void test_bad_input_is_told(void **state)
{
	(void)state;
	char err[400];
	assert_int_equal(draw("digraph g { a -> ", "dot", "png", NULL, NULL, err), -1);
	assert_non_null(strstr(err, "Graphviz"));
	assert_non_null(strstr(err, "syntax error"));
	assert_null(strchr(err, '\n'));
	assert_int_equal(
		draw("digraph g { a }", "no-such-engine", "png", NULL, NULL, err), -1);
	assert_int_equal(
		draw("digraph g { a }", "dot", "no-such-format", NULL, NULL, err), -1);
	assert_only(NULL);
}

/* Enough for dot to take many seconds. */
static char *large_graph(void)
{
	char *text = malloc(1 << 20);
	size_t n = (size_t)sprintf(text, "digraph g {\n");
	uint32_t seed = 1;
	for (int i = 0; i < 12000; i++) {
		seed = seed * 1664525u + 1013904223u;
		n += (size_t)sprintf(text + n, "n%u -> n%u;\n", (seed >> 8) % 6000,
				     (seed >> 20) % 4000);
	}
	strcpy(text + n, "}\n");
	return text;
}

static void test_time_runs_out(void **state)
{
	(void)state;
	char err[400], *dot = large_graph();
	struct draw_limits limits = { 300, 1ull << 30, 0 };
	assert_int_equal(draw(dot, "dot", "svg", &limits, NULL, err), -1);
	assert_non_null(strstr(err, "0.3 s of processor time"));
	assert_only(NULL);
	free(dot);
}

/* Stops the child for longer than it may work. */
static bool pause_child(void *arg, const char *phase, uint64_t done, uint64_t total)
{
	FILE *const f = fopen("/proc/thread-self/children", "re");
	int child = 0;

	(void)phase;
	(void)done;
	(void)total;
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &child), 1);
	fclose(f);
	if (++*(int *)arg > 1)
		return false;
	kill(child, SIGSTOP);
	usleep(1000000);
	kill(child, SIGCONT);
	return false;
}

static void test_waiting_takes_no_time(void **state)
{
	(void)state;
	char err[400], *dot = large_graph();
	int calls = 0;
	struct draw_limits limits = { 700, 1ull << 30, 0 };
	struct progress progress = { .report = pause_child, .arg = &calls };

	assert_int_equal(draw(dot, "dot", "svg", &limits, &progress, err), -1);
	assert_non_null(strstr(err, "0.7 s of processor time"));
	assert_true(calls > 1);
	assert_only(NULL);
	free(dot);
}

/* Stops the child for good. */
static bool freeze_child(void *arg, const char *phase, uint64_t done, uint64_t total)
{
	FILE *const f = fopen("/proc/thread-self/children", "re");
	int child = 0;

	(void)phase;
	(void)done;
	(void)total;
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &child), 1);
	fclose(f);
	++*(int *)arg;
	kill(child, SIGSTOP);
	return false;
}

static void test_one_that_sleeps_is_ended(void **state)
{
	(void)state;
	char err[400], *dot = large_graph();
	int calls = 0;
	struct draw_limits limits = { 60000, 1ull << 30, 300 };
	struct progress progress = { .report = freeze_child, .arg = &calls };

	assert_int_equal(draw(dot, "dot", "svg", &limits, &progress, err), -1);
	assert_non_null(strstr(err, "slept"));
	assert_true(calls > 0);
	assert_only(NULL);
	free(dot);
}

static void test_memory_runs_out(void **state)
{
	(void)state;
	char err[400], *dot = large_graph();
	struct draw_limits limits = { 20000, 12 << 20, 0 };
	assert_int_equal(draw(dot, "dot", "svg", &limits, NULL, err), -1);
	assert_true(err[0]);
	assert_only(NULL);
	free(dot);
}

static bool stop(void *arg, const char *phase, uint64_t done, uint64_t total)
{
	(void)phase;
	(void)done;
	(void)total;
	return ++*(int *)arg > 2;
}

static void test_stopped_by_the_user(void **state)
{
	(void)state;
	char err[400], *dot = large_graph();
	int calls = 0;
	struct progress progress = { .report = stop, .arg = &calls };
	assert_int_equal(draw(dot, "dot", "svg", NULL, &progress, err), -1);
	assert_non_null(strstr(err, "stopped"));
	assert_only(NULL);
	free(dot);
}

static void test_unwritable(void **state)
{
	(void)state;
	char err[400];
	assert_int_equal(draw_dot("digraph g { a }", "dot", "png", "/nonexistent/x.png",
				  NULL, NULL, err, sizeof(err)),
			 -1);
	assert_non_null(strstr(err, "cannot write"));
	assert_int_equal(draw_save("/nonexistent/x.dot", "x", 1, err, sizeof(err)), -1);
}

static void test_escape(void **state)
{
	(void)state;
	struct text t = { 0 };
	dot_escape(&t, "a\"b\\N\\x1b<b>&lt;");
	assert_string_equal(text_get(&t), "a\\\"b\\\\N\\\\x1b<b>&amp;lt;");
	text_free(&t);
}

int main(void)
{
	if (!dlopen("libgvc.so.6", RTLD_LAZY)) {
		printf("skipped: libgvc is not installed\n");
		return 77;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pictures),
		cmocka_unit_test(test_bad_input_is_told),
		cmocka_unit_test(test_time_runs_out),
		cmocka_unit_test(test_waiting_takes_no_time),
		cmocka_unit_test(test_one_that_sleeps_is_ended),
		cmocka_unit_test(test_memory_runs_out),
		cmocka_unit_test(test_stopped_by_the_user),
		cmocka_unit_test(test_unwritable),
		cmocka_unit_test(test_escape),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
