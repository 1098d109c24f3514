/* SPDX-License-Identifier: MIT */
/* Numbers for people; options; the arithmetic of the plan; reports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loader/base/load_options.h"
#include "loader/capture/plan.h"
#include "loader/command/summary.h"
#include "loader/base/amount.h"

static void units(void **state)
{
	char buf[32];

	(void)state;
	assert_string_equal(amount_bytes(buf, 0), "0 B");
	assert_string_equal(amount_bytes(buf, 1023), "1023 B");
	assert_string_equal(amount_bytes(buf, 1024), "1.0 KiB");
	assert_string_equal(amount_bytes(buf, 1048575), "1.0 MiB");
	assert_string_equal(amount_bytes(buf, UINT64_C(2) << 50), "2.0 PiB");
	assert_string_equal(amount_count(buf, 0), "0");
	assert_string_equal(amount_count(buf, 1234567), "1,234,567");
	assert_string_equal(amount_count(buf, 123), "123");
	assert_string_equal(amount_time(buf, 850000), "850 us");
	assert_string_equal(amount_time(buf, 3200000), "3.2 ms");
	assert_string_equal(amount_time(buf, UINT64_C(12500000000)), "12.50 s");
}

static void sizes_and_times(void **state)
{
	uint64_t v;

	(void)state;
	assert_int_equal(load_options_size("200M", &v), 0);
	assert_int_equal(v, 200 << 20);
	assert_int_equal(load_options_size("1.5k", &v), 0);
	assert_int_equal(v, 1536);
	assert_int_equal(load_options_size("2GiB", &v), 0);
	assert_int_equal(v, UINT64_C(2) << 30);
	assert_int_equal(load_options_size("17", &v), 0);
	assert_int_equal(v, 17);
	assert_int_equal(load_options_size("", &v), -1);
	assert_int_equal(load_options_size("-1", &v), -1);
	assert_int_equal(load_options_size("1X", &v), -1);
	assert_int_equal(load_options_size("1e30", &v), -1);
	assert_int_equal(load_options_size("nan", &v), -1);
	assert_int_equal(load_options_time("60s", &v), 0);
	assert_int_equal(v, UINT64_C(60000000000));
	assert_int_equal(load_options_time("1.5m", &v), 0);
	assert_int_equal(v, UINT64_C(90000000000));
	assert_int_equal(load_options_time("100ms", &v), 0);
	assert_int_equal(v, 100000000);
	assert_int_equal(load_options_time("5", &v), 0);
	assert_int_equal(v, UINT64_C(5000000000));
	assert_int_equal(load_options_time("5x", &v), -1);
	assert_int_equal(load_options_time("s", &v), -1);
}

/* Parses words separated by blanks. */
static enum options_verdict parse(const char *line, struct load_options *o,
				  char error[512])
{
	static char text[512];
	static char *argv[40];
	int argc = 0;

	memset(argv, 0, sizeof(argv)); /* static: the options point into it */
	snprintf(text, sizeof(text), "%s", line);
	for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	return load_options_parse(argc, argv, o, error);
}

static void options_are_understood(void **state)
{
	struct load_options o;
	char error[512];

	(void)state;
	assert_int_equal(parse("pymem-load -q 12 -f x.pymem 13", &o, error), OPTIONS_RUN);
	assert_int_equal(o.pid_count, 2);
	assert_int_equal(o.pids[0], 12);
	assert_int_equal(o.pids[1], 13);
	assert_true(o.quiet);
	assert_string_equal(o.output, "x.pymem");
	assert_null(o.command);
	load_options_free(&o);

	assert_int_equal(parse("pymem-load -s3 -ss dict -ss=Foo -ssBar 7", &o, error),
			 OPTIONS_RUN);
	assert_int_equal(o.references, 3);
	assert_int_equal(o.name_count, 3);
	assert_string_equal(o.names[0], "dict");
	assert_string_equal(o.names[1], "Foo");
	assert_string_equal(o.names[2], "Bar");
	load_options_free(&o);

	assert_int_equal(parse("pymem-load --no-values --every 1m -- python -q a.py 12",
			       &o, error),
			 OPTIONS_RUN);
	assert_int_equal(o.pid_count, 0);
	assert_string_equal(o.command[0], "python");
	assert_string_equal(o.command[1], "-q");
	assert_false(o.quiet);
	load_options_free(&o);

	assert_int_equal(
		parse("pymem-load --max-pause 1.5 --max-memory 1G --method=external "
		      "--gil-timeout 250ms 1",
		      &o, error),
		OPTIONS_RUN);
	assert_int_equal(o.max_pause_ns, 1500000);
	assert_int_equal(o.max_memory, 1 << 30);
	assert_int_equal(o.gil_timeout_ns, 250000000);
	assert_int_equal(o.method, LOAD_METHOD_EXTERNAL);
	load_options_free(&o);
	assert_int_equal(parse("pymem-load --help", &o, error), OPTIONS_HELP);
	assert_int_equal(parse("pymem-load --version", &o, error), OPTIONS_VERSION);
}

static void wrong_usage_is_told(void **state)
{
	static const struct {
		const char *line, *word;
	} cases[] = {
		{ "pymem-load", "no process id" },
		{ "pymem-load 1x2 -- true", "not both" },
		{ "pymem-load 0", "'0' is not a process id" },
		{ "pymem-load 0", "'0' is not" },
		{ "pymem-load -5", "unknown option '-5'" },
		{ "pymem-load 7 7", "twice" },
		{ "pymem-load --bogus 7", "--bogus" },
		{ "pymem-load -x 7", "'-x'" },
		{ "pymem-load 7 -f", "needs an argument" },
		{ "pymem-load -s many 7", "whole number" },
		{ "pymem-load --method magic 7", "magic" },
		{ "pymem-load --max-pause -1 7", "milliseconds" },
		{ "pymem-load --max-memory lots 7", "lots" },
		{ "pymem-load --timeout never 7", "never" },
		{ "pymem-load --json -f - 7", "standard output" },
		{ "pymem-load --no-fork --method=external 7", "exclude" },
		{ "pymem-load 7 -- ls", "not both" },
		{ "pymem-load --", "no command" },
		{ "pymem-load --count 3 7", "--every" },
		{ "pymem-load --every 1s 7 8", "one process" },
		{ "pymem-load -s 1 -f - 7", "from a file" },
		{ "pymem-load --values x 7", "whole number" },
		{ "pymem-load --json -- ls", "--json goes with process ids" },
		{ "pymem-load --values 5000 -- ls", "from 0 to 4096" },
	};
	struct load_options o;
	char error[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		error[0] = '\0';
		assert_int_equal(parse(cases[i].line, &o, error), OPTIONS_WRONG);
		if (!strstr(error, cases[i].word))
			fail_msg("'%s' gave: %s", cases[i].line, error);
	}
}

static struct plan plan_of(uint64_t anonymous, uint64_t huge, uint64_t left,
			   uint64_t limit)
{
	struct plan p = {
		.pid = 1, .rss = anonymous, .anonymous = anonymous, .huge = huge
	};

	p.headroom = (struct headroom){
		.free = left, .limit = limit, .tasks = 100, .where = "cgroup /x"
	};
	return p;
}

#define MB (UINT64_C(1) << 20)
#define GB (UINT64_C(1) << 30)

static void plan_predicts(void **state)
{
	struct load_options o = { 0 };
	struct plan p = plan_of(4 * GB, 0, 64 * GB, 64 * GB);

	(void)state;
	plan_predict(&p, &o);
	assert_string_equal(p.refusal, "");
	assert_in_range(p.pause_ns, 60000000, 140000000);
	p = plan_of(4 * GB, 4 * GB, 64 * GB, 64 * GB);
	plan_predict(&p, &o);
	assert_in_range(p.pause_ns, 4000000, 10000000);

	o.max_pause_ns = 50000000;
	p = plan_of(4 * GB, 0, 64 * GB, 64 * GB);
	plan_predict(&p, &o);
	assert_non_null(strstr(p.refusal, "--max-pause"));

	o = (struct load_options){ .max_memory = 50 * MB };
	p = plan_of(4 * GB, 0, 64 * GB, 64 * GB);
	plan_predict(&p, &o);
	assert_non_null(strstr(p.refusal, "--max-memory"));
}

static void plan_refuses_without_memory(void **state)
{
	struct load_options o = { 0 };
	struct plan p = plan_of(4 * GB, 0, 300 * MB, 5 * GB);

	(void)state;
	plan_predict(&p, &o);
	assert_non_null(strstr(p.refusal, "--no-fork"));
	assert_non_null(strstr(p.refusal, "cgroup /x"));
	p = plan_of(4 * GB, 0, 600 * MB, 5 * GB);
	plan_predict(&p, &o);
	assert_string_equal(p.refusal, "");
	p = plan_of(4 * GB, 0, 600 * MB, 5 * GB);
	p.headroom.oom_group = true;
	plan_predict(&p, &o);
	assert_string_not_equal(p.refusal, "");
	assert_int_equal(p.warning_count, 1);
	/* A capture that is let in isn't ended by the watch at once. */
	p = plan_of(20 * MB, 0, 40 * MB, 4 * GB);
	plan_predict(&p, &o);
	assert_string_equal(p.refusal, "");
	assert_true(p.keep_bytes < p.headroom.free);
}

static void report_statuses(void **state)
{
	struct capture_result r[3] = { { .status = CAPTURE_COMPLETE },
				       { .status = CAPTURE_COMPLETE },
				       { .status = CAPTURE_COMPLETE } };

	(void)state;
	assert_int_equal(summary_status(r, 3), 0);
	r[1].status = CAPTURE_FAILED;
	assert_int_equal(summary_status(r, 3), 3);
	r[0].status = r[2].status = CAPTURE_FAILED;
	assert_int_equal(summary_status(r, 3), 1);
	r[0].status = CAPTURE_PARTIAL;
	assert_int_equal(summary_status(r, 1), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units),
		cmocka_unit_test(sizes_and_times),
		cmocka_unit_test(options_are_understood),
		cmocka_unit_test(wrong_usage_is_told),
		cmocka_unit_test(plan_predicts),
		cmocka_unit_test(plan_refuses_without_memory),
		cmocka_unit_test(report_statuses),
	};

	return cmocka_run_group_tests_name("loader_text", tests, NULL, NULL);
}
