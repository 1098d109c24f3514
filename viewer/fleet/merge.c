/* SPDX-License-Identifier: MIT */
/* merge - see merge.h. */
#include "viewer/fleet/merge.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/core/block.h"
#include "viewer/files/files.h"
#include "viewer/fleet/summary.h"
#include "viewer/text/human.h"
#include "viewer/text/text.h"

static const struct column columns[] = {
	{ "command", "Command", CELL_TEXT, false },
	{ "python", "Python", CELL_TEXT, false },
	{ "place", "Place", CELL_TEXT, false },
	{ "processes", "Processes", CELL_COUNT, false },
	{ "hosts", "Hosts", CELL_COUNT, false },
	{ "objects", "Objects", CELL_COUNT, false },
	{ "held", "Held", CELL_BYTES, false },
	{ "growth", "Growth", CELL_BYTES_DIFF, false },
	{ "per_hour", "Per hour", CELL_BYTES_DIFF, false },
	{ "growth_is_least", "Or more", CELL_BOOL, false },
	{ "most", "Most in", CELL_TEXT, false },
	{ "most_growth", "There", CELL_BYTES_DIFF, true },
};

static const struct report report_merge = {
	.name = "merge",
	.title = "what grows in many processes",
	.columns = columns,
	.ncolumns = sizeof(columns) / sizeof(columns[0]),
};

#define MERGE_ALL "(all)"

/* ---- reading ---- */

static const char *merge_text(const json_t *of, const char *key)
{
	const char *const text = json_string_value(json_object_get(of, key));

	return text ? text : "";
}

static int64_t merge_number(const json_t *of, const char *key)
{
	const int64_t n = json_integer_value(json_object_get(of, key));

	/* summaries are anybody's: sums of these stay in range */
	return n < 0 ? 0 : n > INT64_MAX >> 16 ? INT64_MAX >> 16 : n;
}

static int64_t merge_time(const json_t *summary)
{
	const int64_t ns = json_integer_value(json_object_get(summary, "time_ns"));

	return ns < 0 ? 0 : ns;
}

static FILE *merge_open(const char *file)
{
	const int fd = strcmp(file, "-") ? files_open(file, 0) :
					   fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	FILE *const in = fd < 0 ? NULL : fdopen(fd, "r");

	if (!in && fd >= 0)
		close(fd);
	return in;
}

/* What a line is that is no summary. */
static void merge_explain(const char *line, size_t size, unsigned long number, char *err,
			  size_t err_size)
{
	static const char magic[] = BLOCK_FILE_MAGIC;
	const size_t first = (size_t)(strchr(magic, '\n') - magic) + 1;

	if (memmem(line, size, magic, first))
		snprintf(err, err_size,
			 "it is a snapshot: --export summary makes a summary of it");
	else
		snprintf(err, err_size, "line %lu is no summary of pymem's", number);
}

int merge_read(json_t *list, const char *file, char *err, size_t err_size)
{
	FILE *const in = merge_open(file);
	char *line = NULL;
	size_t room = 0;
	unsigned long number = 0;
	ssize_t size;

	err[0] = '\0';
	if (!in) {
		snprintf(err, err_size, "%s", files_error(errno));
		return -1;
	}
	while (!err[0] && (size = getline(&line, &room, in)) > 0) {
		json_t *const summary = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

		number++;
		if (line[strspn(line, " \t\r\n")] == '\0')
			continue;
		if (merge_number(summary, "pymem_summary") < 1)
			merge_explain(line, (size_t)size, number, err, err_size);
		else if (merge_number(summary, "pymem_summary") > SUMMARY_SCHEMA)
			snprintf(err, err_size, "line %lu is of a newer pymem", number);
		else if (json_array_append(list, summary))
			snprintf(err, err_size, "out of memory");
		json_decref(summary);
	}
	if (!err[0] && ferror(in))
		snprintf(err, err_size, "%s", strerror(errno));
	if (!err[0] && !number)
		snprintf(err, err_size, "it is empty");
	free(line);
	fclose(in);
	return err[0] ? -1 : 0;
}

void merge_incomplete(const json_t *list, char *ret, size_t size)
{
	size_t cut = 0, i;
	json_t *summary;

	json_array_foreach(list, i, summary)
	{
		cut += json_is_false(json_object_get(summary, "complete"));
	}
	snprintf(ret, cut ? size : 1, "%zu of %zu summaries are of a snapshot cut short",
		 cut, json_array_size(list));
}

/* ---- one process's places ---- */

struct merged {
	json_t *rows;	 /* by command, python and place: an object of sums */
	struct text key; /* being made */
	int err;
};

static void merge_key(struct text *key, const json_t *summary, const char *place)
{
	text_clear(key);
	text_printf(key, "%s\n%s\n", merge_text(summary, "command"),
		    merge_text(summary, "python"));
	text_add(key, place);
}

static void merge_add(json_t *row, const char *member, int64_t value)
{
	const int64_t old = json_integer_value(json_object_get(row, member));
	int64_t sum;

	if (__builtin_add_overflow(old, value, &sum))
		sum = value < 0 ? INT64_MIN : INT64_MAX;
	json_object_set_new(row, member, json_integer(sum));
}

/* What a place, or all of a process, has and how it grew. */
struct share {
	int64_t objects, held, growth;
	bool least; /* it grew by that much, or more */
	bool alone; /* of a process of which there is one summary: nobody knows */
};

static void merge_add_row(struct merged *m, const json_t *last, const char *place,
			  const struct share *share, int64_t ns)
{
	assert(last && place);
	const int64_t growth = share->growth;
	merge_key(&m->key, last, place);
	json_t *row = json_object_get(m->rows, text_get(&m->key));
	if (!row) {
		row = json_pack("{s:s, s:s, s:s, s:{}}", "command",
				merge_text(last, "command"), "python",
				merge_text(last, "python"), "place", place, "on");
		if (json_object_set_new(m->rows, text_get(&m->key), row)) {
			m->err = -ENOMEM;
			return;
		}
	}
	merge_add(row, "processes", 1);
	merge_add(row, "objects", share->objects);
	merge_add(row, "held", share->held);
	json_object_set_new(json_object_get(row, "on"), merge_text(last, "host"),
			    json_true());
	if (share->alone)
		return;
	merge_add(row, "growth", growth);
	if (share->least)
		json_object_set_new(row, "least", json_true());
	if (ns >= 1000000000)
		merge_add(row, "per_hour",
			  (int64_t)((double)growth / (double)ns * 3.6e12));
	const json_t *const most = json_object_get(row, "most_growth");
	if (most && json_integer_value(most) >= growth)
		return;
	json_object_set_new(row, "most_growth", json_integer(growth));
	json_object_set(row, "most_host", json_object_get(last, "host"));
	json_object_set(row, "most_pid", json_object_get(last, "pid"));
}

/* What a place held in the first summary; *most_ret: at most. Whoever isn't in a list
 * that has all of its rows had no less than nothing. */
static int64_t merge_before(const json_t *first, const char *path, bool *most_ret)
{
	const json_t *const places = json_object_get(first, "places");
	int64_t least = 0;
	size_t i;
	json_t *place;

	*most_ret = false;
	json_array_foreach(places, i, place)
	{
		const int64_t held = merge_number(place, "retained");

		if (!strcmp(merge_text(place, "path"), path))
			return held;
		if (!i || held < least)
			least = held;
	}
	*most_ret = json_array_size(places) >= SUMMARY_PLACES && least > 0;
	return *most_ret ? least : 0;
}

static int64_t merge_growth(const json_t *first, const json_t *last, const json_t *place,
			    bool *least_ret)
{
	*least_ret = false;
	if (first == last)
		return 0;
	return merge_number(place, "retained") -
		merge_before(first, merge_text(place, "path"), least_ret);
}

/* Whether a place below it has nearly all of its growth. */
static bool merge_is_below(const json_t *first, const json_t *last, size_t at)
{
	const json_t *const places = json_object_get(last, "places");
	bool least;
	const int64_t growth =
		merge_growth(first, last, json_array_get(places, at), &least);
	size_t i;
	json_t *place;

	json_array_foreach(places, i, place)
	{
		const json_t *const in = json_object_get(place, "in");

		if (i > at && json_is_integer(in) &&
		    json_integer_value(in) == (json_int_t)at && growth > 0 &&
		    merge_growth(first, last, place, &least) >= growth - growth / 10)
			return true;
	}
	return false;
}

static void merge_add_process(struct merged *m, const json_t *first, const json_t *last)
{
	const json_t *const places = json_object_get(last, "places");
	const int64_t ns = merge_time(last) - merge_time(first),
		      held = merge_number(last, "held");
	const struct share all = { .objects = merge_number(last, "objects"),
				   .held = held,
				   .growth = held - merge_number(first, "held"),
				   .alone = first == last };
	size_t i;
	json_t *place;

	merge_add_row(m, last, MERGE_ALL, &all, ns);
	json_array_foreach(places, i, place)
	{
		struct share share = { .objects = merge_number(place, "count"),
				       .held = merge_number(place, "retained"),
				       .alone = first == last };

		share.growth = merge_growth(first, last, place, &share.least);
		if (!m->err && !merge_is_below(first, last, i))
			merge_add_row(m, last, merge_text(place, "path"), &share, ns);
	}
}

/* ---- first and last of each process ---- */

static int merge_pairs(const json_t *list, json_t *pairs)
{
	struct text who = { 0 };
	size_t i;
	json_t *s;
	int err = 0;

	json_array_foreach(list, i, s)
	{
		text_clear(&who);
		text_printf(&who, "%s\n%lld\n%s\n%s", merge_text(s, "host"),
			    (long long)merge_number(s, "pid"), merge_text(s, "command"),
			    merge_text(s, "python"));
		json_t *pair = json_object_get(pairs, text_get(&who));
		if (!pair) {
			pair = json_pack("[OO]", s, s);
			err = json_object_set_new(pairs, text_get(&who), pair) || who.err;
			if (err)
				break;
			continue;
		}
		const int64_t at = merge_time(s);
		if (at < merge_time(json_array_get(pair, 0)))
			json_array_set(pair, 0, s);
		if (at >= merge_time(json_array_get(pair, 1)))
			json_array_set(pair, 1, s);
	}
	text_free(&who);
	return err ? -ENOMEM : 0;
}

/* ---- the table ---- */

static int merge_compare(const void *a, const void *b)
{
	const json_t *const x = *(json_t *const *)a, *const y = *(json_t *const *)b;
	static const char *const by[] = { "growth", "held" };

	for (size_t i = 0; i < 2; i++) {
		const int64_t n = json_integer_value(json_object_get(x, by[i])),
			      k = json_integer_value(json_object_get(y, by[i]));

		if (n != k)
			return n < k ? 1 : -1;
	}
	return strcmp(merge_text(x, "place"), merge_text(y, "place"));
}

static void merge_put_text(struct row *row, const char *text)
{
	struct text escaped = { 0 };

	/* what pymem wrote was escaped: a backslash stays one */
	for (const char *c = text; *c;) {
		const size_t plain = strcspn(c, "\\");

		text_escape(&escaped, c, plain, 0, 0);
		if (c[plain])
			text_add(&escaped, "\\");
		c += plain + (c[plain] != '\0');
	}
	row_text(row, text_get(&escaped));
	text_free(&escaped);
}

/* Of none of its processes were there two summaries: it isn't known. */
static void merge_put_difference(struct row *row, const json_t *from, const char *member)
{
	const json_t *const n = json_object_get(from, member);

	if (n)
		row_i64(row, json_integer_value(n));
	else
		row_unknown(row);
}

static int merge_put_row(struct table *table, const json_t *from)
{
	struct text most = { 0 };
	struct row row;

	text_printf(&most, "%s%s%lld", merge_text(from, "most_host"),
		    *merge_text(from, "most_host") ? " " : "",
		    (long long)merge_number(from, "most_pid"));
	row_begin(&row, table, HEAP_NONE, 0);
	merge_put_text(&row, merge_text(from, "command"));
	merge_put_text(&row, merge_text(from, "python"));
	merge_put_text(&row, merge_text(from, "place"));
	row_u64(&row, (uint64_t)merge_number(from, "processes"));
	row_u64(&row, json_object_size(json_object_get(from, "on")));
	row_u64(&row, (uint64_t)merge_number(from, "objects"));
	row_u64(&row, (uint64_t)merge_number(from, "held"));
	merge_put_difference(&row, from, "growth");
	merge_put_difference(&row, from, "per_hour");
	row_u64(&row, json_is_true(json_object_get(from, "least")));
	if (json_object_get(from, "most_growth"))
		merge_put_text(&row, text_get(&most));
	else
		row_unknown(&row);
	merge_put_difference(&row, from, "most_growth");
	text_free(&most);
	return row_end(&row);
}

static int merge_put_rows(struct table *table, json_t *rows)
{
	const size_t count = json_object_size(rows);
	const json_t **const sorted = calloc(count + 1, sizeof(*sorted));
	size_t n = 0;
	int err = sorted ? 0 : -ENOMEM;
	const char *key;
	json_t *row;

	json_object_foreach(rows, key, row)
	{
		if (sorted)
			sorted[n++] = row;
	}
	if (n)
		qsort(sorted, n, sizeof(*sorted), merge_compare);
	for (size_t i = 0; i < n && !err; i++)
		err = merge_put_row(table, sorted[i]);
	free(sorted);
	return err;
}

int merge_table(const json_t *list, struct table *ret)
{
	struct merged m = { .rows = json_object() };
	json_t *const pairs = json_object();
	const char *key;
	json_t *pair;

	table_init(ret, &report_merge);
	ret->of = report_merge.name;
	m.err = m.rows && pairs ? merge_pairs(list, pairs) : -ENOMEM;
	json_object_foreach(pairs, key, pair)
	{
		if (!m.err)
			merge_add_process(&m, json_array_get(pair, 0),
					  json_array_get(pair, 1));
	}
	if (!m.err)
		m.err = m.key.err;
	if (!m.err)
		m.err = merge_put_rows(ret, m.rows);
	json_decref(m.rows);
	json_decref(pairs);
	text_free(&m.key);
	return m.err;
}
