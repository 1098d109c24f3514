/* SPDX-License-Identifier: MIT */
/*
 * stacks - a process's heap as stacks of text: speedscope's own format, and the collapsed
 * stacks that flamegraph.pl, inferno and speedscope draw.
 *
 * speedscope (speedscope.app/file-format-schema.json) gets three profiles of the same
 * stacks: retained, shallow bytes, objects; the first is shown.  A collapsed stack is a
 * line: steps with ';' between them, leaf last, a space, retained bytes; as ';' parts
 * them, a name has ':' in its place.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "formats/export/json.h"
#include "formats/text/print.h"
#include "viewer/document/document.h"
#include "viewer/document/profile.h"
#include "viewer/document/subject.h"

/* ---- collapsed ---- */

static void stacks_add_step(struct text *line, const struct text *step)
{
	/* ASCII never is a part of another character */
	for (const char *c = text_get(step); *c; c++)
		text_add_bytes(line, *c == ';' ? ":" : c, 1);
}

static int stacks_put_line(FILE *out, const struct profile *p,
			   const struct profile_sample *sample)
{
	struct text line = { 0 }, step = { 0 };
	uint32_t stack[PROFILE_DEPTH + 1];
	const uint32_t count = profile_stack(p, sample, stack);

	for (uint32_t i = 0; i <= count; i++) {
		text_clear(&step);
		if (i < count)
			profile_step(&step, p, stack[i]);
		else if (sample->leaf != PROFILE_NO_LEAF)
			profile_leaf(&step, p, sample->leaf);
		if (i && text_len(&step))
			text_add(&line, ";");
		stacks_add_step(&line, &step);
	}
	print_format(out, "%s %llu\n", text_get(&line),
		     (unsigned long long)sample->value.retained);
	const int err = line.err || step.err ? -ENOMEM : 0;
	text_free(&line);
	text_free(&step);
	return err;
}

/* Of a profile that was made, or not (err); it is freed. */
static int stacks_write_collapsed(FILE *out, struct profile *p, int err)
{
	for (uint32_t i = 0; i < profile_samples(p) && !err; i++) {
		const struct profile_sample *const sample =
			&VEC(p->sample, struct profile_sample)[i];

		if (sample->value.retained)
			err = stacks_put_line(out, p, sample);
	}
	profile_free(p);
	return err;
}

int collapsed_write(FILE *out, struct analysis *analysis, const struct progress *progress)
{
	struct profile p;
	const int err = profile_make(analysis, progress, &p);

	return stacks_write_collapsed(out, &p, err);
}

int collapsed_write_sites(FILE *out, struct analysis *analysis,
			  const struct progress *progress)
{
	struct profile p;
	const int err = profile_sites_make(analysis, progress, &p);

	return stacks_write_collapsed(out, &p, err);
}

/* ---- speedscope ---- */

struct speedscope {
	const struct profile *profile;
	struct json json;
	uint32_t *leaf; /* by text: its frame's number, 0 = none */
	struct text text;
};

static void stacks_put_frame(struct speedscope *s)
{
	json_open(&s->json, '{');
	json_member_text(&s->json, "name", text_get(&s->text), text_len(&s->text));
	json_close(&s->json, '}');
	text_clear(&s->text);
}

static void stacks_put_frames(struct speedscope *s)
{
	const struct profile *const p = s->profile;
	uint32_t frames = profile_frames(p);

	json_key(&s->json, "shared");
	json_open(&s->json, '{');
	json_key(&s->json, "frames");
	json_open(&s->json, '[');
	for (uint32_t f = 0; f < frames; f++) {
		profile_name(&s->text, p, f);
		stacks_put_frame(s);
	}
	for (uint32_t i = 0; i < profile_samples(p); i++) {
		const uint32_t leaf = VEC(p->sample, struct profile_sample)[i].leaf;

		if (leaf == PROFILE_NO_LEAF || s->leaf[leaf])
			continue;
		s->leaf[leaf] = frames++;
		profile_leaf(&s->text, p, leaf);
		stacks_put_frame(s);
	}
	json_close(&s->json, ']');
	json_close(&s->json, '}');
}

static uint64_t stacks_value(const struct profile_sample *sample, unsigned which)
{
	return which == 0  ? sample->value.retained :
		which == 1 ? sample->value.shallow :
			     sample->value.count;
}

static void stacks_put_samples(struct speedscope *s)
{
	const struct profile *const p = s->profile;

	json_key(&s->json, "samples");
	json_open(&s->json, '[');
	for (uint32_t i = 0; i < profile_samples(p); i++) {
		const struct profile_sample *const sample =
			&VEC(p->sample, struct profile_sample)[i];
		uint32_t stack[PROFILE_DEPTH + 1];
		const uint32_t count = profile_stack(p, sample, stack);

		json_open(&s->json, '[');
		for (uint32_t f = 0; f < count; f++)
			json_u64(&s->json, stack[f]);
		if (sample->leaf != PROFILE_NO_LEAF)
			json_u64(&s->json, s->leaf[sample->leaf]);
		json_close(&s->json, ']');
	}
	json_close(&s->json, ']');
}

static void stacks_put_weights(struct speedscope *s, unsigned which)
{
	uint64_t sum = 0;

	json_key(&s->json, "weights");
	json_open(&s->json, '[');
	for (uint32_t i = 0; i < profile_samples(s->profile); i++) {
		const uint64_t value = stacks_value(
			&VEC(s->profile->sample, struct profile_sample)[i], which);

		json_u64(&s->json, value);
		sum += value;
	}
	json_close(&s->json, ']');
	json_member_u64(&s->json, "startValue", 0);
	json_member_u64(&s->json, "endValue", sum);
}

static void stacks_member(struct speedscope *s, const char *key, const char *text)
{
	json_member_text(&s->json, key, text, strlen(text));
}

static void stacks_put_profiles(struct speedscope *s)
{
	static const char *const all_values[PROFILE_OF_COUNT][3][2] = {
		[PROFILE_OF_PLACES] = { { "retained bytes", "bytes" },
					{ "shallow bytes", "bytes" },
					{ "objects", "none" } },
		[PROFILE_OF_SITES] = { { "allocated bytes", "bytes" },
				       { "bytes of objects", "bytes" },
				       { "blocks", "none" } },
	};
	const char *const(*const values)[2] = all_values[s->profile->of];

	json_key(&s->json, "profiles");
	json_open(&s->json, '[');
	for (unsigned v = 0; v < 3; v++) {
		json_open(&s->json, '{');
		stacks_member(s, "type", "sampled");
		stacks_member(s, "name", values[v][0]);
		stacks_member(s, "unit", values[v][1]);
		stacks_put_samples(s);
		stacks_put_weights(s, v);
		json_close(&s->json, '}');
	}
	json_close(&s->json, ']');
}

static int stacks_put_speedscope(struct speedscope *s)
{
	struct subject subject;
	int err = subject_of(s->profile->analysis->heap, &subject);

	json_open(&s->json, '{');
	stacks_member(s, "$schema", "https://www.speedscope.app/file-format-schema.json");
	text_printf(&s->text, "process %llu %s %s", (unsigned long long)subject.pid,
		    text_get(&subject.command), text_get(&subject.time));
	json_member_text(&s->json, "name", text_get(&s->text), text_len(&s->text));
	text_clear(&s->text);
	stacks_member(s, "exporter", "pymem " PYMEM_VERSION);
	json_member_u64(&s->json, "activeProfileIndex", 0);
	stacks_put_frames(s);
	stacks_put_profiles(s);
	json_close(&s->json, '}');
	json_line(&s->json);
	json_flush(&s->json);
	subject_free(&subject);
	return err ? err : s->text.err;
}

/* Of a profile that was made, or not (err); it is freed. */
static int stacks_write_speedscope(FILE *out, struct profile *p, int err)
{
	struct speedscope s = { .profile = p, .json.file = out };

	if (!err) {
		s.leaf = calloc(p->text.count + 1, sizeof(*s.leaf));
		err = s.leaf ? stacks_put_speedscope(&s) : -ENOMEM;
	}
	free(s.leaf);
	text_free(&s.text);
	profile_free(p);
	return err;
}

int speedscope_write(FILE *out, struct analysis *analysis,
		     const struct progress *progress)
{
	struct profile p;
	const int err = profile_make(analysis, progress, &p);

	return stacks_write_speedscope(out, &p, err);
}

int speedscope_write_sites(FILE *out, struct analysis *analysis,
			   const struct progress *progress)
{
	struct profile p;
	const int err = profile_sites_make(analysis, progress, &p);

	return stacks_write_speedscope(out, &p, err);
}
