/* SPDX-License-Identifier: MIT */
/*
 * describe - nodes, values and single edges in words (describe.h).
 */
#include "viewer/name/describe.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "formats/core/words.h"
#include "formats/text/escape.h"
#include "formats/text/repr.h"
#include "viewer/model/attribute.h"
#include "viewer/model/site.h"
#include "viewer/text/human.h"

#define NAME_LIMIT 200 /* characters of one name */
#define TUPLE_ELEMENTS 4

void describe_string(struct text *out, const struct heap *heap, uint32_t string)
{
	size_t size;
	const char *text = heap_string(heap, string, &size);

	text_escape(out, text, size, NAME_LIMIT, 0);
}

static const char *describe_file_base(const char *path, size_t *size)
{
	for (size_t i = *size; i > 0; i--)
		if (path[i - 1] == '/') {
			*size -= i;
			return path + i;
		}
	return path;
}

void describe_place(struct text *out, const struct heap *heap, uint32_t file,
		    uint32_t line)
{
	size_t size;
	const char *name = heap_string(heap, file, &size);

	name = describe_file_base(name, &size);
	if (!size)
		return;
	text_add(out, " (");
	text_escape(out, name, size, NAME_LIMIT, 0);
	if (line)
		text_printf(out, ":%" PRIu32, line);
	text_add(out, ")");
}

static void describe_code(struct text *out, const struct heap *heap, uint32_t frame,
			  bool line)
{
	const struct snap_frame *f = &VEC(heap->frame, struct snap_frame)[frame];

	if (f->function)
		describe_string(out, heap, f->function);
	else
		text_add(out, "?");
	describe_place(out, heap, f->file, line ? f->line : 0);
}

void describe_frame(struct text *out, const struct heap *heap, uint32_t frame)
{
	describe_code(out, heap, frame, true);
}

void describe_function(struct text *out, const struct heap *heap, uint32_t frame)
{
	describe_code(out, heap, frame, false);
}

void describe_line(struct text *out, const struct heap *heap, uint32_t file,
		   uint32_t line)
{
	describe_string(out, heap, file);
	if (line)
		text_printf(out, ":%" PRIu32, line);
}

void describe_callers(struct text *out, const struct heap *heap, uint32_t site,
		      unsigned most)
{
	for (unsigned i = 0; site; i++) {
		const struct snap_site *s = site_at(heap, site);

		if (i)
			text_add(out, " < ");
		if (i == most) {
			text_add(out, "...");
			return;
		}
		describe_line(out, heap, s->file, s->line);
		site = s->caller;
	}
}

void describe_thread(struct text *out, const struct heap *heap, uint32_t thread)
{
	const struct snap_thread *t = &VEC(heap->thread, struct snap_thread)[thread];

	text_add(out, "thread ");
	if (t->name)
		describe_string(out, heap, t->name);
	else if (t->native_id)
		text_printf(out, "%llu", (unsigned long long)t->native_id);
	else
		text_printf(out, "#%u", thread);
}

void describe_type(struct text *out, const struct heap *heap, uint32_t type)
{
	if (type && type <= heap->types)
		describe_string(out, heap, heap_type(heap, type)->name);
}

void describe_short_type(struct text *out, const struct heap *heap, uint32_t type)
{
	size_t size;
	const char *name = heap_string(heap, heap_type(heap, type)->name, &size);

	for (size_t i = size; i > 0; i--)
		if (name[i - 1] == '.') {
			name += i;
			size -= i;
			break;
		}
	text_escape(out, name, size, 100, 0);
}

void describe_native_kind(struct text *out, const struct heap *heap, uint32_t node)
{
	/* what people call what a source finds; other sources are named as they are */
	static const struct {
		const char *source, *words;
	} kinds[] = {
		{ "numpy", "numpy data" },
		{ "lxml.document", "libxml2 tree" },
		{ "pillow.image", "pixels" },
	};
	const struct heap_native *native = heap_native_at(heap, node);
	const char *source = heap_string(heap, native->source, NULL);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(source, kinds[i].source)) {
			text_add(out, kinds[i].words);
			return;
		}
	if (native->owner < heap->objects &&
	    heap_kind(heap, native->owner) == SNAP_KIND_INT) {
		text_add(out, "C memory that an int points to");
		return;
	}
	if ((!strcmp(source, "buffer") || !strcmp(source, "malloc")) &&
	    native->owner != HEAP_NONE)
		describe_short_type(out, heap, heap_type_of(heap, native->owner));
	else
		describe_string(out, heap, native->source);
	text_add(out, " data");
}

static void describe_native(struct text *out, const struct heap *heap, uint32_t node)
{
	const struct heap_native *native = heap_native_at(heap, node);
	char buf[HUMAN_SIZE];

	text_printf(out, "%s of ", human_bytes_u64(buf, native->size));
	describe_native_kind(out, heap, node);
	if (native->flags & HEAP_NATIVE_INFERRED)
		text_add(out, " (inferred)");
	if (native->owners > 1)
		text_printf(out, ", shared by %s owners",
			    human_count(buf, native->owners));
}

void describe_node(struct text *out, const struct heap *heap, uint32_t node)
{
	assert(node < heap->nodes);
	if (heap_is_native(heap, node)) {
		describe_native(out, heap, node);
		return;
	}
	if (node < heap->objects) {
		describe_type(out, heap, heap_type_of(heap, node));
		return;
	}
	const struct heap_synth *s = heap_synth(heap, node);
	if (s->kind == HEAP_SYNTH_THREAD) {
		describe_thread(out, heap, s->ref);
	} else if (s->kind == HEAP_SYNTH_FRAME) {
		text_add(out, "frame ");
		describe_frame(out, heap, s->ref);
	} else {
		text_add(out, heap_group_name(s->kind));
	}
}

/* ---- values ---- */

static size_t describe_characters(const char *text, size_t size)
{
	size_t count = 0, len;

	for (size_t at = 0; at < size; at += len, count++)
		escape_decode(text + at, size - at, &len);
	return count;
}

static void describe_str(struct text *out, const struct heap_value *v, size_t limit)
{
	if (!v->size && v->length) {
		text_printf(out, "<str of %llu>", (unsigned long long)v->length);
		return;
	}
	size_t have = describe_characters(v->text, v->size);
	text_add(out, "'");
	text_escape(out, v->text, v->size, limit, '\'');
	if (have < v->length && (!limit || have <= limit))
		text_add(out, "...");
	text_add(out, "'");
}

static void describe_bytes(struct text *out, const struct heap_value *v, size_t limit)
{
	size_t shown = limit && v->size > limit ? limit : v->size;

	if (!v->size && v->length) {
		text_printf(out, "<bytes of %llu>", (unsigned long long)v->length);
		return;
	}
	text_add(out, "b'");
	for (size_t i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)v->text[i];

		if (c >= 0x20 && c < 0x7f && c != '\'' && c != '\\')
			text_add_bytes(out, v->text + i, 1);
		else
			text_printf(out, "\\x%02x", c);
	}
	text_add(out, shown < v->length ? "...'" : "'");
}

static void describe_float(struct text *out, const struct heap_value *v)
{
	char buf[REPR_FLOAT_MAX];
	double d;

	if (v->size != sizeof(d))
		return;
	memcpy(&d, v->text, sizeof(d));
	repr_float(buf, d);
	text_add(out, buf);
}

/* False when nothing is known. */
static bool describe_scalar(struct text *out, const struct heap *heap, uint32_t object,
			    size_t limit)
{
	struct heap_value v;

	if (heap_kind(heap, object) == SNAP_KIND_NONE) {
		text_add(out, "None");
		return true;
	}
	if (!heap_value(heap, object, &v))
		return false;
	switch (v.kind) {
	case SNAP_VALUE_STR:
		describe_str(out, &v, limit);
		return true;
	case SNAP_VALUE_BYTES:
		describe_bytes(out, &v, limit);
		return true;
	case SNAP_VALUE_FLOAT:
		describe_float(out, &v);
		return v.size == 8;
	case SNAP_VALUE_BOOL:
		text_add(out, v.size && v.text[0] ? "True" : "False");
		return v.size == 1;
	default:
		text_escape(out, v.text, v.size, limit ? limit : NAME_LIMIT, 0);
		return v.size > 0;
	}
}

static void describe_tuple(struct text *out, const struct heap *heap, uint32_t object,
			   size_t limit)
{
	struct heap_span refs = heap_refs(heap, object);
	uint32_t shown = refs.count < TUPLE_ELEMENTS ? refs.count : TUPLE_ELEMENTS;

	text_add(out, "(");
	for (uint32_t i = 0; i < shown; i++) {
		uint32_t to = refs.target[i];

		if (i)
			text_add(out, ", ");
		if (to >= heap->objects || !describe_scalar(out, heap, to, limit)) {
			text_add(out, "<");
			if (to < heap->objects)
				describe_node(out, heap, to);
			text_add(out, ">");
		}
	}
	text_add(out, refs.count > shown ? ", ...)" : refs.count == 1 ? ",)" : ")");
}

static void describe_items(struct text *out, const struct heap *heap, uint32_t object)
{
	const struct heap_shape *shape =
		&VEC(heap->shape, struct heap_shape)[heap_class_of(heap, object)->shape];
	struct heap_span refs = heap_refs(heap, object);
	unsigned kind = heap_kind(heap, object);
	bool pairs = shape->tail == SNAP_TAIL_PAIRS, list = kind == SNAP_KIND_LIST;
	char buf[HUMAN_SIZE];
	uint32_t items = 0;

	for (uint32_t i = kind == SNAP_KIND_DICT ? 0 : shape->nfixed; i < refs.count; i++)
		items += refs.target[i] != HEAP_ABSENT;
	if (pairs)
		items /= 2;
	text_printf(out, "%c%s item%s%c", list ? '[' : '{', human_count(buf, items),
		    items == 1 ? "" : "s", list ? ']' : '}');
}

/* Color.RED: members of an Enum have these attributes since 3.4 (Lib/enum.py). */
static void describe_enum_member(struct text *out, const struct heap *heap,
				 uint32_t object)
{
	const uint32_t type = heap_type_of(heap, object);
	struct heap_value name;

	if (!(heap_type(heap, type)->flags & SNAP_TYPE_PYTHON) ||
	    attribute_of(heap, object, "__objclass__") >= heap->objects)
		return;
	const uint32_t member = attribute_of(heap, object, "_name_");
	if (member >= heap->objects || !heap_value(heap, member, &name) ||
	    name.kind != SNAP_VALUE_STR)
		return;
	const char *class_name = heap_type_name(heap, type);
	const char *last = strrchr(class_name, '.');

	last = last ? last + 1 : class_name;
	text_escape(out, last, strlen(last), NAME_LIMIT, 0);
	text_add(out, ".");
	text_escape(out, name.text, name.size, NAME_LIMIT, 0);
}

void describe_value(struct text *out, const struct heap *heap, uint32_t object,
		    size_t limit)
{
	if (object >= heap->objects || describe_scalar(out, heap, object, limit))
		return;
	switch (heap_kind(heap, object)) {
	case SNAP_KIND_TUPLE:
		describe_tuple(out, heap, object, limit);
		break;
	case SNAP_KIND_LIST:
	case SNAP_KIND_DICT:
	case SNAP_KIND_SET:
		describe_items(out, heap, object);
		break;
	default:
		describe_enum_member(out, heap, object);
		break;
	}
}

/* ---- edges ---- */

static void describe_key(struct text *out, const struct heap *heap, uint32_t key)
{
	size_t before = text_len(out);

	text_add(out, "[");
	if (key < heap->objects)
		describe_value(out, heap, key, 60);
	if (text_len(out) == before + 1) {
		text_add(out, "<");
		if (key < heap->objects)
			describe_node(out, heap, key);
		text_add(out, ">");
	}
	text_add(out, "]");
}

static void describe_named_key(struct text *out, const struct heap *heap, uint32_t name)
{
	size_t size;
	const char *text = heap_string(heap, name, &size);

	text_add(out, "['");
	text_escape(out, text, size, NAME_LIMIT, '\'');
	text_add(out, "']");
}

static void describe_named(struct text *out, const struct heap *heap, const char *prefix,
			   uint32_t name)
{
	size_t size = 0;
	const char *text = name ? heap_string(heap, name, &size) : "";

	text_add(out, prefix);
	if (size > 1 && text[0] == '+') { /* where it is in memory is all that is known */
		text_add(out, "(C field at ");
		text_escape(out, text, size, NAME_LIMIT, 0);
		text_add(out, ")");
	} else if (name) {
		describe_string(out, heap, name);
	}
}

void describe_label(struct text *out, const struct heap *heap,
		    const struct heap_label *label)
{
	const char *shown = label->kind < SNAP_LABEL_KIND_COUNT ?
		words_labels[label->kind].shown :
		"";

	switch (label->kind) {
	case SNAP_LABEL_VALUE:
		if (label->name && label->key == HEAP_NONE)
			describe_named_key(out, heap, label->name);
		else
			describe_key(out, heap, label->key);
		break;
	case SNAP_LABEL_INDEX:
		text_printf(out, "[%llu]", (unsigned long long)label->index);
		break;
	case SNAP_LABEL_KEY:
	case SNAP_LABEL_ELEMENT:
	case SNAP_LABEL_TYPE:
	case SNAP_LABEL_STACK:
	case SNAP_LABEL_DICT:
		text_add(out, shown);
		break;
	case SNAP_LABEL_WEAK:
		text_add(out, shown);
		describe_named(out, heap, label->name ? " " : " reference", label->name);
		break;
	case SNAP_LABEL_ATTR:
	case SNAP_LABEL_LOCAL:
	case SNAP_LABEL_CELL:
		describe_named(out, heap, shown, label->name);
		break;
	default:
		text_add(out, label->inferred ? "its memory (inferred)" : "");
		describe_named(out, heap, label->name ? "." : "", label->name);
	}
}

void describe_edge(struct text *out, const struct heap *heap, uint32_t from,
		   uint32_t slot)
{
	struct heap_label label;

	heap_label(heap, from, slot, &label);
	if (from >= heap->objects)
		describe_string(out, heap, label.name);
	else
		describe_label(out, heap, &label);
}

void describe_step(struct text *out, const struct heap *heap, uint32_t from, uint32_t to)
{
	if (heap_is_native(heap, to))
		text_add(out, " owns");
	else
		describe_edge(out, heap, from, heap_slot(heap, from, to));
}
