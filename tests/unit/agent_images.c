/* SPDX-License-Identifier: MIT */
/*
 * Units of the walk over recorded images of small heaps (tests/images): what it says of
 * each wanted object and each frame is held against what Python said when the image was
 * recorded.  Without an interpreter.  Arguments: images; none: those given at build time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image.h"

enum { TABLE = 4096, REFS = 256, FIELDS = REFS + 8, LINE = 8192 };

/* An object as the walk told it. */
struct told {
	uint64_t addr, size, refs[REFS];
	uint32_t type, shape, flags, nrefs;
};

struct told_shape {
	struct snap_label fixed[REFS];
	uint32_t nfixed;
	uint8_t tail;
};

/* All that one walk told. */
static struct events {
	struct snap_sink sink;
	char *strings[TABLE];
	struct snap_type types[TABLE];
	struct told_shape shapes[TABLE];
	struct told objects[IMAGE_OBJECTS];
	struct snap_frame frames[TABLE];
	struct snap_root roots[TABLE];
	uint32_t nobjects, nframes, nroots, nerrors;
} events;

static struct image *image;

/* ---- the sink ---- */

static int on_string(struct snap_sink *sink, uint32_t id, const char *text, size_t size)
{
	(void)sink;
	assert_true(id < TABLE);
	events.strings[id] = strndup(text, size);
	return 0;
}

static int on_type(struct snap_sink *sink, const struct snap_type *type)
{
	(void)sink;
	assert_true(type->id < TABLE);
	events.types[type->id] = *type;
	return 0;
}

static int on_shape(struct snap_sink *sink, const struct snap_shape *shape)
{
	struct told_shape *to = &events.shapes[shape->id];

	(void)sink;
	assert_true(shape->id < TABLE && shape->nfixed < REFS);
	to->nfixed = shape->nfixed;
	to->tail = shape->tail;
	if (shape->nfixed)
		memcpy(to->fixed, shape->fixed, shape->nfixed * sizeof(*to->fixed));
	return 0;
}

static int on_object(struct snap_sink *sink, const struct snap_object *object)
{
	struct told *to = &events.objects[events.nobjects++];

	(void)sink;
	assert_true(events.nobjects < IMAGE_OBJECTS && object->nrefs < REFS);
	to->addr = object->addr;
	to->size = object->size;
	to->type = object->type;
	to->shape = object->shape;
	to->flags = object->flags;
	to->nrefs = object->nrefs;
	for (uint32_t i = 0; i < object->nrefs; i++)
		to->refs[i] = object->refs[i];
	return 0;
}

static int on_frame(struct snap_sink *sink, const struct snap_frame *frame)
{
	(void)sink;
	assert_true(events.nframes < TABLE);
	events.frames[events.nframes++] = *frame;
	return 0;
}

static int on_root(struct snap_sink *sink, const struct snap_root *root)
{
	(void)sink;
	assert_true(events.nroots < TABLE);
	events.roots[events.nroots++] = *root;
	return 0;
}

static int on_error(struct snap_sink *sink, const struct snap_error *error)
{
	(void)sink;
	print_error("the walk says: %s\n", events.strings[error->text]);
	events.nerrors++;
	return 0;
}

static const struct snap_sink_ops events_ops = {
	.string = on_string,
	.type = on_type,
	.shape = on_shape,
	.object = on_object,
	.frame = on_frame,
	.root = on_root,
	.error = on_error,
};

/* ---- questions ---- */

static uint64_t hex(const char *text)
{
	return strtoull(text, NULL, 16);
}

static const char *string_of(uint32_t id)
{
	return events.strings[id] ? events.strings[id] : "";
}

static const struct told *object_at(uint64_t addr)
{
	for (uint32_t i = 0; i < events.nobjects; i++)
		if (events.objects[i].addr == addr)
			return &events.objects[i];
	fail_msg("the walk did not tell of %lx", (unsigned long)addr);
	return NULL;
}

static bool has_label(const struct told *object, const char *name, uint64_t target)
{
	const struct told_shape *shape = &events.shapes[object->shape];

	for (uint32_t i = 0; i < shape->nfixed && i < object->nrefs; i++)
		if (object->refs[i] == target &&
		    !strcmp(string_of(shape->fixed[i].name), name))
			return true;
	return false;
}

/* Does it keep its attributes in a dict that is an object? */
static bool has_dict(const struct told *object)
{
	const struct told_shape *shape = &events.shapes[object->shape];

	for (uint32_t i = 0; i < shape->nfixed && i < object->nrefs; i++)
		if (object->refs[i] && shape->fixed[i].kind == SNAP_LABEL_DICT)
			return true;
	return false;
}

/* A dict's traverse does not tell its keys where all are str. */
static bool is_key(uint64_t dict, uint64_t key)
{
	char buf[LINE], *fields[FIELDS];
	const char *at = image->text;

	while (image_line(&at, "item", buf, sizeof(buf), fields, 3) == 3)
		if (hex(fields[0]) == dict && hex(fields[1]) == key)
			return true;
	return false;
}

/* The instance that shows its own values as this dict; NULL: none does. */
static const struct told *owner_of(uint64_t dict)
{
	for (uint32_t i = 0; i < events.nobjects; i++) {
		const struct told *object = &events.objects[i];
		const struct told_shape *shape = &events.shapes[object->shape];

		for (uint32_t k = 0; k < shape->nfixed && k < object->nrefs; k++)
			if (object->refs[k] == dict &&
			    shape->fixed[k].kind == SNAP_LABEL_DICT)
				return object;
	}
	return NULL;
}

/* A value for the key: by its place after it, or by the key's name. */
static bool has_item(const struct told *object, uint64_t key, uint64_t value)
{
	const struct told_shape *shape = &events.shapes[object->shape];

	for (uint32_t i = 0; i + 1 < object->nrefs; i += 2)
		if (!shape->nfixed && object->refs[i] == key &&
		    object->refs[i + 1] == value)
			return true;
	for (uint32_t i = 0; i < shape->nfixed && i < object->nrefs; i++)
		if (shape->fixed[i].kind == SNAP_LABEL_VALUE && object->refs[i] == value)
			return true;
	if (!object->nrefs && owner_of(object->addr)) {
		const struct told *owner = owner_of(object->addr);

		for (uint32_t i = 0; i < owner->nrefs; i++)
			if (owner->refs[i] == value)
				return true;
	}
	return false;
}

static bool take(uint64_t *refs, uint32_t n, uint64_t ref)
{
	for (uint32_t i = 0; i < n; i++) {
		if (refs[i] != ref)
			continue;
		refs[i] = 0;
		return true;
	}
	return false;
}

/* ---- the tests ---- */

static void the_image_has_all_that_is_read(void **state)
{
	char err[512] = "";

	(void)state;
	events.sink.ops = &events_ops;
	peek_image_set(image->segments, image->nsegments);
	if (image_walk(image, &events.sink, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	/* else: the walk reads more than it did; record again (tests/images/record.py) */
	assert_int_equal(0, peek_image_missing());
	assert_int_equal(0, events.nerrors);
	assert_int_equal(image->nobjects, events.nobjects);
	assert_true(image->nobjects > 40);
}

static void types_and_sizes_are_pythons(void **state)
{
	char buf[LINE], *fields[FIELDS];
	const char *at = image->text;
	int approximate = 0;

	(void)state;
	while (image_line(&at, "object", buf, sizeof(buf), fields, FIELDS) > 0) {
		const struct told *object = object_at(hex(fields[0]));
		const uint64_t size = strtoull(fields[2], NULL, 10);

		assert_string_equal(fields[1],
				    string_of(events.types[object->type].name));
		/* a C __sizeof__ that had to be called: said so */
		if (object->flags & SNAP_OBJ_SIZE_APPROX)
			assert_true(object->size <= size && ++approximate < 4);
		else if (object->size != size)
			fail_msg("%s at %s: %lu bytes, not %s", fields[1], fields[0],
				 (unsigned long)object->size, fields[2]);
	}
}

/* Exactly: no more, no fewer, each as often.  But a dict that shows an instance's own
 * values, which 3.13 does not visit. */
static void references_are_pythons(void **state)
{
	char buf[LINE], *fields[FIELDS];
	const char *at = image->text;
	int n, objects = 0;

	(void)state;
	while ((n = image_line(&at, "object", buf, sizeof(buf), fields, FIELDS)) > 0) {
		struct told object = *object_at(hex(fields[0]));
		const struct snap_type *type = &events.types[object.type];

		for (int i = 3; i < n; i++)
			if (!take(object.refs, object.nrefs, hex(fields[i])) &&
			    !(type->flags & SNAP_TYPE_OWNED &&
			      hex(fields[i]) == type->addr))
				fail_msg("%s at %s lacks %s", fields[1], fields[0],
					 fields[i]);
		for (uint32_t i = 0; n > 3 && i < object.nrefs; i++)
			if (object.refs[i] && !is_key(object.addr, object.refs[i]) &&
			    owner_of(object.refs[i]) != object_at(object.addr))
				fail_msg("%s at %s has %lx too", fields[1], fields[0],
					 (unsigned long)object.refs[i]);
		objects += n > 3;
	}
	assert_true(objects > 15);
}

static void attributes_have_their_names(void **state)
{
	char buf[LINE], *fields[FIELDS];
	const char *at = image->text;
	int direct = 0;

	(void)state;
	while (image_line(&at, "attr", buf, sizeof(buf), fields, 3) == 3) {
		const struct told *object = object_at(hex(fields[0]));

		if (has_label(object, fields[1], hex(fields[2])))
			direct++;
		else if (!has_dict(object))
			fail_msg("%s has no attribute %s", fields[0], fields[1]);
	}
	assert_true(direct >= 4);
}

static void dicts_have_their_items(void **state)
{
	char buf[LINE], *fields[FIELDS];
	const char *at = image->text;
	int items = 0;

	(void)state;
	for (; image_line(&at, "item", buf, sizeof(buf), fields, 3) == 3; items++)
		if (!has_item(object_at(hex(fields[0])), hex(fields[1]), hex(fields[2])))
			fail_msg("%s lacks the item %s", fields[0], fields[1]);
	assert_true(items > 10);
}

static bool has_local(uint32_t frame, const char *name, uint64_t target)
{
	for (uint32_t i = 0; i < events.nroots; i++)
		if (events.roots[i].frame == frame && events.roots[i].target == target &&
		    events.roots[i].kind == SNAP_ROOT_LOCAL &&
		    !strcmp(string_of(events.roots[i].name), name))
			return true;
	return false;
}

/* The part of a qualified name that f_code.co_name tells. */
static const char *last_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

static void frames_have_lines_and_locals(void **state)
{
	char buf[LINE], *fields[FIELDS];
	uint32_t at_frame = UINT32_MAX, i = 0, locals = 0;

	(void)state;
	for (const char *at = image->text, *locals_at;
	     image_line(&at, "frame", buf, sizeof(buf), fields, 3) == 3;) {
		if (at_frame == UINT32_MAX) /* above it are those that wait */
			while (i < events.nframes &&
			       strcmp(last_name(string_of(events.frames[i].function)),
				      fields[0]))
				i++;
		assert_true(i < events.nframes);
		at_frame = i++;
		assert_string_equal(
			fields[0],
			last_name(string_of(events.frames[at_frame].function)));
		assert_string_equal(fields[1], string_of(events.frames[at_frame].file));
		assert_int_equal(atoi(fields[2]), events.frames[at_frame].line);
		for (locals_at = at; !strncmp(locals_at, "local ", 6); locals++) {
			image_line(&locals_at, "local", buf, sizeof(buf), fields, 2);
			if (!has_local(events.frames[at_frame].id, fields[0],
				       hex(fields[1])))
				fail_msg("the local variable %s was not told", fields[0]);
		}
	}
	assert_int_equal(events.nframes, i);
	assert_true(locals >= 6);
}

static int test_image(const char *path)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_image_has_all_that_is_read),
		cmocka_unit_test(types_and_sizes_are_pythons),
		cmocka_unit_test(references_are_pythons),
		cmocka_unit_test(attributes_have_their_names),
		cmocka_unit_test(dicts_have_their_items),
		cmocka_unit_test(frames_have_lines_and_locals),
	};
	int failed;

	print_message("%s\n", path);
	image = image_read(path);
	failed = cmocka_run_group_tests_name(path, tests, NULL, NULL);
	for (uint32_t i = 0; i < TABLE; i++)
		free(events.strings[i]);
	memset(&events, 0, sizeof(events));
	free(image->bytes);
	free(image->text);
	free(image);
	return failed;
}

int main(int argc, char **argv)
{
	static const char *const recorded[] = { RECORDED_IMAGES };
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed += test_image(argv[i]);
	for (size_t i = 0; argc < 2 && i < sizeof(recorded) / sizeof(*recorded); i++)
		failed += test_image(recorded[i]);
	return failed != 0;
}
