/* SPDX-License-Identifier: MIT */
/*
 * pprof - a process's heap as a gzipped profile.proto, for `go tool pprof`, Pyroscope,
 * Parca, speedscope.
 *
 * The message and its field numbers: github.com/google/pprof/proto/profile.proto.  Every
 * frame of profile.h is one Function and one Location, named in full, for pprof's tables
 * go by these names; every leaf one, too.  Numbers of them have 32 bits.  Of the values
 * the last is the one readers show when nobody chooses (speedscope takes the last).
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/document/document.h"
#include "viewer/document/gzip.h"
#include "viewer/document/profile.h"
#include "viewer/document/protobuf.h"
#include "viewer/document/subject.h"

enum profile_field {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING = 6,
	PROFILE_TIME_NANOS = 9,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD = 12,
	PROFILE_COMMENT = 13,
	PROFILE_DEFAULT_SAMPLE_TYPE = 14,
};
enum { VALUE_TYPE = 1, VALUE_UNIT = 2 };
enum { SAMPLE_LOCATION = 1, SAMPLE_VALUE = 2, SAMPLE_LABEL = 3 };
enum { LABEL_KEY = 1, LABEL_STR = 2, LABEL_NUM = 3 };
enum { MAPPING_ID = 1, MAPPING_FILENAME = 5, MAPPING_HAS_FUNCTIONS = 7 };
enum { LOCATION_ID = 1, LOCATION_MAPPING = 2, LOCATION_LINE = 4 };
enum { LINE_FUNCTION = 1 };
/* No system_name: pprof would take it for C++'s and leave out what is in brackets. */
enum { FUNCTION_ID = 1, FUNCTION_NAME = 2 };

struct pprof {
	const struct profile *profile;
	struct protobuf out, labels;
	struct intern strings; /* the first is "" */
	struct text text;
	uint32_t *leaf; /* by text: its function's number, 0 = none */
	uint32_t functions;
	int err;
};

static uint64_t pprof_string(struct pprof *p, const char *text, size_t size)
{
	const uint32_t n = intern_add(&p->strings, text, size);

	if (n == INTERN_FAILED)
		p->err = -ENOMEM;
	return n;
}

/* Of the text that was made; it is empty again. */
static uint64_t pprof_take_text(struct pprof *p)
{
	const uint64_t n = pprof_string(p, text_get(&p->text), text_len(&p->text));

	if (p->text.err)
		p->err = -ENOMEM;
	text_clear(&p->text);
	return n;
}

static uint64_t pprof_word(struct pprof *p, const char *word)
{
	return pprof_string(p, word, strlen(word));
}

static void pprof_put_type(struct pprof *p, enum profile_field field, const char *type,
			   const char *unit)
{
	struct protobuf inner = { 0 };

	protobuf_number(&inner, VALUE_TYPE, pprof_word(p, type));
	protobuf_number(&inner, VALUE_UNIT, pprof_word(p, unit));
	protobuf_message(&p->out, field, &inner);
	protobuf_free(&inner);
}

static void pprof_add_label(struct pprof *p, const char *key, const char *text,
			    uint64_t number)
{
	struct protobuf inner = { 0 };

	if (text ? !text[0] : !number)
		return;
	protobuf_number(&inner, LABEL_KEY, pprof_word(p, key));
	if (text)
		protobuf_number(&inner, LABEL_STR, pprof_word(p, text));
	else
		protobuf_number(&inner, LABEL_NUM, number);
	protobuf_message(&p->labels, SAMPLE_LABEL, &inner);
	protobuf_free(&inner);
}

/* The process, which every sample is of; and the mapping that goes by its command. */
static void pprof_put_subject(struct pprof *p, const struct heap *heap)
{
	struct protobuf inner = { 0 };
	struct subject s;

	if (subject_of(heap, &s))
		p->err = -ENOMEM;
	pprof_add_label(p, "pid", NULL, s.pid);
	pprof_add_label(p, "host", text_get(&s.host), 0);
	pprof_add_label(p, "command", text_get(&s.command), 0);
	pprof_add_label(p, "python", text_get(&s.python), 0);
	pprof_add_label(p, "snapshot_time", text_get(&s.time), 0);
	protobuf_number(&p->out, PROFILE_TIME_NANOS, s.time_ns);
	protobuf_number(&inner, MAPPING_ID, 1);
	protobuf_number(&inner, MAPPING_FILENAME, pprof_word(p, text_get(&s.command)));
	protobuf_number(&inner, MAPPING_HAS_FUNCTIONS, 1);
	protobuf_message(&p->out, PROFILE_MAPPING, &inner);
	if (!heap->complete)
		protobuf_number(&p->out, PROFILE_COMMENT,
				pprof_word(p, "INCOMPLETE: the snapshot is truncated"));
	protobuf_free(&inner);
	subject_free(&s);
}

/* A function and the location of the same number, named by the text that was made. */
static void pprof_put_function(struct pprof *p)
{
	const uint64_t name = pprof_take_text(p), id = ++p->functions;
	struct protobuf inner = { 0 }, line = { 0 };

	protobuf_number(&inner, FUNCTION_ID, id);
	protobuf_number(&inner, FUNCTION_NAME, name);
	protobuf_message(&p->out, PROFILE_FUNCTION, &inner);
	protobuf_number(&line, LINE_FUNCTION, id);
	protobuf_number(&inner, LOCATION_ID, id);
	protobuf_number(&inner, LOCATION_MAPPING, 1);
	protobuf_message(&inner, LOCATION_LINE, &line);
	protobuf_message(&p->out, PROFILE_LOCATION, &inner);
	protobuf_free(&line);
	protobuf_free(&inner);
}

static void pprof_put_sample(struct pprof *p, const struct profile_sample *sample)
{
	uint64_t locations[PROFILE_DEPTH + 1],
		values[] = { sample->value.count, sample->value.shallow,
			     sample->value.retained };
	uint32_t stack[PROFILE_DEPTH + 1],
		count = profile_stack(p->profile, sample, stack);
	struct protobuf inner = { 0 };
	size_t n = 0;

	assert(count <= PROFILE_DEPTH);
	if (sample->leaf != PROFILE_NO_LEAF) {
		if (!p->leaf[sample->leaf]) {
			profile_leaf(&p->text, p->profile, sample->leaf);
			pprof_put_function(p);
			p->leaf[sample->leaf] = p->functions;
		}
		locations[n++] = p->leaf[sample->leaf];
	}
	while (count-- > 0)
		locations[n++] = stack[count] + 1;
	assert(n <= sizeof(locations) / sizeof(locations[0]));
	protobuf_numbers(&inner, SAMPLE_LOCATION, locations, n);
	protobuf_numbers(&inner, SAMPLE_VALUE, values, 3);
	if (!inner.err)
		inner.err = p->labels.err;
	if (!inner.err && p->labels.bytes.size)
		inner.err = vec_append(&inner.bytes, p->labels.bytes.data,
				       p->labels.bytes.size);
	protobuf_message(&p->out, PROFILE_SAMPLE, &inner);
	protobuf_free(&inner);
}

static void pprof_put_strings(struct pprof *p)
{
	for (uint32_t i = 0; i < p->strings.count; i++) {
		size_t size;
		const char *const text = intern_text(&p->strings, i, &size);

		protobuf_text(&p->out, PROFILE_STRING, text, size);
	}
}

static int pprof_make(struct pprof *p)
{
	static const char *const all_types[PROFILE_OF_COUNT][3] = {
		[PROFILE_OF_PLACES] = { "objects", "shallow", "retained" },
		[PROFILE_OF_SITES] = { "blocks", "objects_size", "allocated" },
	};
	const struct profile *const profile = p->profile;
	const char *const *const types = all_types[profile->of];

	p->leaf = calloc(profile->text.count + 1, sizeof(*p->leaf));
	if (!p->leaf)
		return -ENOMEM;
	pprof_word(p, "");
	pprof_put_type(p, PROFILE_SAMPLE_TYPE, types[0], "count");
	pprof_put_type(p, PROFILE_SAMPLE_TYPE, types[1], "bytes");
	pprof_put_type(p, PROFILE_SAMPLE_TYPE, types[2], "bytes");
	pprof_put_type(p, PROFILE_PERIOD_TYPE, types[2], "bytes");
	protobuf_number(&p->out, PROFILE_PERIOD, 1);
	protobuf_number(&p->out, PROFILE_DEFAULT_SAMPLE_TYPE, pprof_word(p, types[2]));
	pprof_put_subject(p, profile->analysis->heap);
	for (uint32_t f = 0; f < profile_frames(profile); f++) {
		profile_name(&p->text, profile, f);
		pprof_put_function(p);
	}
	for (uint32_t i = 0; i < profile_samples(profile) && !p->err; i++)
		pprof_put_sample(p, &VEC(profile->sample, struct profile_sample)[i]);
	pprof_put_strings(p);
	return p->err ? p->err : p->out.err;
}

/* Of a profile that was made, or not (err); it is freed. */
static int pprof_write_profile(FILE *out, struct profile *profile, int err)
{
	struct pprof p = { .profile = profile };

	if (!err)
		err = pprof_make(&p);
	if (!err)
		err = gzip_write(out, p.out.bytes.data, p.out.bytes.size);
	protobuf_free(&p.out);
	protobuf_free(&p.labels);
	intern_deinit(&p.strings);
	text_free(&p.text);
	free(p.leaf);
	profile_free(profile);
	return err;
}

int pprof_write(FILE *out, struct analysis *analysis, const struct progress *progress)
{
	struct profile profile;
	const int err = profile_make(analysis, progress, &profile);

	return pprof_write_profile(out, &profile, err);
}

int pprof_write_sites(FILE *out, struct analysis *analysis,
		      const struct progress *progress)
{
	struct profile profile;
	const int err = profile_sites_make(analysis, progress, &profile);

	return pprof_write_profile(out, &profile, err);
}
