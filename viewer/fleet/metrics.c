/* SPDX-License-Identifier: MIT */
/* metrics - a table of families over the members of a summary (metrics.h). */
#include "viewer/fleet/metrics.h"

#include <errno.h>
#include <string.h>

#include "formats/text/print.h"
#include "viewer/text/text.h"

struct family {
	const char *name, *help;
	const char *list;  /* NULL: a member of the summary itself */
	const char *value; /* a number */
	const char *label; /* the row's, or NULL */
	const char *key;   /* its member */
};

static const struct family families[] = {
	{ "pymem_objects", "Python objects", NULL, "objects", NULL, NULL },
	{ "pymem_size_bytes", "Bytes of all Python objects", NULL, "size", NULL, NULL },
	{ "pymem_held_bytes", "Bytes of all objects and of what they own outside", NULL,
	  "held", NULL, NULL },
	{ "pymem_resident_bytes", "Resident memory of the process", NULL, "rss", NULL,
	  NULL },
	{ "pymem_snapshot_timestamp_milliseconds", "When it was taken, since 1970", NULL,
	  "time_ms", NULL, NULL },
	{ "pymem_complete", "1: the snapshot is whole, 0: it was cut short", NULL,
	  "complete", NULL, NULL },
	{ "pymem_type_objects", "Objects by type", "types", "count", "type", "type" },
	{ "pymem_type_size_bytes", "Bytes of objects by type", "types", "size", "type",
	  "type" },
	{ "pymem_place_objects", "Objects reached through a place", "places", "count",
	  "place", "path" },
	{ "pymem_place_held_bytes", "Bytes reached through a place", "places", "retained",
	  "place", "path" },
	{ "pymem_suspect_retained_bytes", "Bytes that a suspect retains", "suspects",
	  "retained", "path", "path" },
	{ "pymem_budget_bytes", "Where the resident memory is", "budget", "size",
	  "category", "category" },
	{ "pymem_package_held_bytes", "Bytes that a package's modules hold", "packages",
	  "held", "package", "package" },
};

/* Appends name="value". */
static void metrics_add_label(struct text *labels, const char *name, const char *value)
{
	text_printf(labels, "%s%s=\"", text_len(labels) ? "," : "", name);
	for (const char *c = value; *c; c++) {
		if (*c == '\n') {
			text_add(labels, "\\n");
			continue;
		}
		if (*c == '"' || *c == '\\')
			text_add(labels, "\\");
		text_add_bytes(labels, c, 1);
	}
	text_add(labels, "\"");
}

static const char *metrics_text(const json_t *of, const char *key)
{
	const char *const text = json_string_value(json_object_get(of, key));

	return text ? text : "";
}

static void metrics_add_subject(struct text *labels, const json_t *summary)
{
	static const char *const words[] = { "host", "command", "python" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		metrics_add_label(labels, words[i], metrics_text(summary, words[i]));
	text_printf(labels, ",pid=\"%lld\"",
		    (long long)json_integer_value(json_object_get(summary, "pid")));
}

/* Adds one value to the series of these labels. */
static int metrics_take(json_t *series, const struct text *labels, const json_t *value)
{
	const json_t *const old = json_object_get(series, text_get(labels));

	if (labels->err)
		return -ENOMEM;
	if (!json_is_integer(value) && !json_is_boolean(value))
		return 0;
	/* unsigned: a summary may say anything */
	const uint64_t sum = (uint64_t)json_integer_value(old) +
		(uint64_t)json_integer_value(value) + json_is_true(value);
	return json_object_set_new(series, text_get(labels),
				   json_integer((json_int_t)sum)) ?
		-ENOMEM :
		0;
}

static int metrics_collect(json_t *series, const struct family *family,
			   const json_t *summary)
{
	const json_t *const rows =
		family->list ? json_object_get(summary, family->list) : NULL;
	const size_t count = family->list ? json_array_size(rows) : 1;
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		const json_t *const row =
			family->list ? json_array_get(rows, i) : summary;
		struct text labels = { 0 };

		metrics_add_subject(&labels, summary);
		if (family->label)
			metrics_add_label(&labels, family->label,
					  metrics_text(row, family->key));
		err = metrics_take(series, &labels, json_object_get(row, family->value));
		text_free(&labels);
	}
	return err;
}

/* The last summary of each process; borrowed. NULL: no memory. */
static json_t *metrics_last(const json_t *list)
{
	json_t *const ret = json_object();
	size_t i;
	json_t *summary;

	json_array_foreach(list, i, summary)
	{
		struct text who = { 0 };

		metrics_add_subject(&who, summary);
		const json_t *const old = json_object_get(ret, text_get(&who));
		if (!old ||
		    json_integer_value(json_object_get(old, "time_ns")) <=
			    json_integer_value(json_object_get(summary, "time_ns")))
			json_object_set(ret, text_get(&who), summary);
		text_free(&who);
	}
	return ret;
}

static int metrics_put(FILE *out, const struct family *family, json_t *last)
{
	json_t *const series = json_object();
	const char *key;
	json_t *value;
	int err = series ? 0 : -ENOMEM;

	json_object_foreach(last, key, value)
	{
		if (!err)
			err = metrics_collect(series, family, value);
	}
	if (!err && json_object_size(series)) {
		print_format(out, "# TYPE %s gauge\n# HELP %s %s\n", family->name,
			     family->name, family->help);
		json_object_foreach(series, key, value)
		{
			print_format(out, "%s{%s} %lld\n", family->name, key,
				     (long long)json_integer_value(value));
		}
	}
	json_decref(series);
	return err;
}

int metrics_write(FILE *out, const json_t *list)
{
	json_t *const last = metrics_last(list);
	int err = last ? 0 : -ENOMEM;

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && !err; i++)
		err = metrics_put(out, &families[i], last);
	if (!err)
		print_lines(out, "# EOF\n");
	json_decref(last);
	return err;
}
