/* SPDX-License-Identifier: MIT */
/* jsonl_lines - the lines of a JSON export: labels, objects, everything else. */
#include "formats/export/jsonl.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/core/words.h"
#include "formats/text/repr.h"

/* ---- labels ---- */

static void jsonl_put_string(struct jsonl *e, uint32_t id)
{
	size_t size;
	const char *const text = tables_text(&e->tables, id, &size);

	json_put_text(&e->json, text, size);
}

static void jsonl_member_string(struct jsonl *e, const char *key, uint32_t id)
{
	size_t size;
	const char *const text = tables_text(&e->tables, id, &size);

	json_member_text(&e->json, key, text, size);
}

static void jsonl_put_type_name(struct jsonl *e, uint32_t type)
{
	const struct snap_type *const t = tables_find_type(&e->tables, type);

	if (t)
		jsonl_put_string(e, t->name);
	else
		json_put_ascii(&e->json, "object");
}

static void jsonl_member_type(struct jsonl *e, const char *key, uint32_t type)
{
	json_key(&e->json, key);
	json_string_begin(&e->json);
	jsonl_put_type_name(e, type);
	json_string_end(&e->json);
}

static uint64_t jsonl_count_characters(const char *text, size_t size)
{
	uint64_t count = 0;
	size_t n;

	for (; size > 0; text += n, size -= n, count++)
		json_character(text, size, &n);
	return count;
}

static double jsonl_float_of(const char *text)
{
	double value;

	memcpy(&value, text, sizeof(value));
	return value;
}

static void jsonl_put_float(struct json *j, double value)
{
	char text[REPR_FLOAT_MAX];

	repr_float(text, value);
	json_put_ascii(j, text);
}

/* The key as its repr; false when there is no preview to show. */
static bool jsonl_put_key_value(struct jsonl *e, const struct key *key)
{
	const char *const text = e->current->keys.text + key->text;

	if (key->size == 0 && key->length > 0)
		return false;
	switch (key->kind) {
	case SNAP_VALUE_STR:
		json_put_str_repr(&e->json, text, key->size,
				  key->length > jsonl_count_characters(text, key->size));
		return true;
	case SNAP_VALUE_BYTES:
		json_put_bytes_repr(&e->json, text, key->size, key->length > key->size);
		return true;
	case SNAP_VALUE_INT:
		json_put_text(&e->json, text, key->size);
		return true;
	case SNAP_VALUE_FLOAT:
		if (key->size != sizeof(double))
			return false;
		jsonl_put_float(&e->json, jsonl_float_of(text));
		return true;
	case SNAP_VALUE_BOOL:
		json_put_ascii(&e->json, key->size == 1 && text[0] ? "True" : "False");
		return true;
	default:
		return false;
	}
}

static void jsonl_put_key(struct jsonl *e, uint64_t addr)
{
	const struct key *const key = keys_find(&e->current->keys, addr);
	const struct snap_type *const type =
		key ? tables_find_type(&e->tables, key->type) : NULL;

	if (key && jsonl_put_key_value(e, key))
		return;
	if (type && type->kind == SNAP_KIND_NONE) {
		json_put_ascii(&e->json, "None");
		return;
	}
	json_put_ascii(&e->json, "<");
	jsonl_put_type_name(e, key ? key->type : 0);
	json_put_ascii(&e->json, " at ");
	json_put_hex(&e->json, addr);
	json_put_ascii(&e->json, ">");
}

/* The repr of a str key that the dict shares: only its name is in the label. */
static void jsonl_put_shared_key(struct jsonl *e, uint32_t name)
{
	size_t size;
	const char *const text = tables_text(&e->tables, name, &size);

	json_put_str_repr(&e->json, text, size, false);
}

/* index: of the reference within the tail; key: address of the key that precedes it. */
static void jsonl_member_label(struct jsonl *e, struct snap_label label, uint64_t index,
			       uint64_t key)
{
	assert(label.kind < SNAP_LABEL_KIND_COUNT);
	json_key(&e->json, "label");
	json_string_begin(&e->json);
	json_put_ascii(&e->json, words_labels[label.kind].before);
	switch ((enum snap_label_kind)label.kind) {
	case SNAP_LABEL_KEY:
		jsonl_put_key(e, key);
		break;
	case SNAP_LABEL_VALUE:
		if (label.name)
			jsonl_put_shared_key(e, label.name);
		else
			jsonl_put_key(e, key);
		json_put_ascii(&e->json, "]");
		break;
	case SNAP_LABEL_INDEX:
		json_put_u64(&e->json, index);
		json_put_ascii(&e->json, "]");
		break;
	case SNAP_LABEL_WEAK:
		if (label.name)
			json_put_ascii(&e->json, " ");
		jsonl_put_string(e, label.name);
		break;
	case SNAP_LABEL_OTHER:
	case SNAP_LABEL_ATTR:
	case SNAP_LABEL_LOCAL:
	case SNAP_LABEL_CELL:
		jsonl_put_string(e, label.name);
		break;
	case SNAP_LABEL_ELEMENT:
	case SNAP_LABEL_TYPE:
	case SNAP_LABEL_STACK:
	case SNAP_LABEL_DICT:
	case SNAP_LABEL_KIND_COUNT:
		break;
	}
	json_string_end(&e->json);
}

static void jsonl_put_ref(struct jsonl *e, uint64_t to, struct snap_label label,
			  uint64_t index, uint64_t key)
{
	const char *const kind = words_labels[label.kind].kind;

	json_open(&e->json, '{');
	json_member_u64(&e->json, "to", to);
	jsonl_member_label(e, label, index, key);
	json_key(&e->json, "kind");
	json_text(&e->json, kind, strlen(kind));
	json_close(&e->json, '}');
}

/* ---- objects ---- */

static void jsonl_put_refs(struct jsonl *e, const struct snap_object *o)
{
	const struct snap_type *const type = tables_find_type(&e->tables, o->type);
	const uint32_t nfixed = o->shape ? e->tables.shapes[o->shape - 1].nfixed : 0;
	uint64_t key = 0;

	json_key(&e->json, "refs");
	json_open(&e->json, '[');
	for (uint32_t i = 0; i < o->nrefs; i++) {
		const struct snap_label label = tables_label(&e->tables, o->shape, i);

		if (label.kind == SNAP_LABEL_KEY)
			key = o->refs[i];
		if (o->refs[i])
			jsonl_put_ref(e, o->refs[i], label, i < nfixed ? i : i - nfixed,
				      key);
	}
	if (type && type->flags & SNAP_TYPE_OWNED)
		jsonl_put_ref(e, type->addr, (struct snap_label){ SNAP_LABEL_TYPE, 0 }, 0,
			      0);
	json_close(&e->json, ']');
}

/* Names of the bits that are set; unknown bits have none. */
static void jsonl_member_flags(struct json *j, const char *key, uint32_t flags,
			       const char *const *names, unsigned count)
{
	if (flags == 0)
		return;
	json_key(j, key);
	json_open(j, '[');
	for (unsigned i = 0; i < count; i++)
		if (flags >> i & 1)
			json_text(j, names[i], strlen(names[i]));
	json_close(j, ']');
}

#define MEMBER_FLAGS(j, key, flags, names) \
	jsonl_member_flags(j, key, flags, names, sizeof(names) / sizeof(*(names)))

static const char *const object_flags[] = {
	"gc", "immortal", "size_approx", "opaque", "static", "interned", "frozen",
};
static const char *const type_flags[] = {
	"heap", "gc", "approx", "opaque", "python", "has_del", "owned",
};

/* The line of the object before gets its end. */
void jsonl_finish_object(struct jsonl *e)
{
	if (!e->object_open)
		return;
	json_close(&e->json, '}');
	json_line(&e->json);
	e->object_open = false;
}

static int jsonl_write_object(struct snap_sink *sink, const struct snap_object *o)
{
	struct jsonl *const e = jsonl_of(sink);
	struct json *const j = &e->json;

	jsonl_finish_object(e);
	json_open(j, '{');
	json_member_u64(j, "address", o->addr);
	jsonl_member_type(e, "type", o->type);
	json_member_u64(j, "size", o->size);
	json_member_u64(j, "refcount", o->refcount);
	jsonl_put_refs(e, o);
	MEMBER_FLAGS(j, "flags", o->flags, object_flags);
	e->object_open = true;
	e->object_addr = o->addr;
	return ferror(j->file) ? -EIO : 0;
}

/* An int as a number where it is decimal, as a string where it is not. */
static void jsonl_write_int(struct json *j, const char *text, size_t size)
{
	char word[24];

	if (size == 0 || size >= sizeof(word) || strspn(text, "-0123456789") < size) {
		json_text(j, text, size);
		return;
	}
	memcpy(word, text, size);
	word[size] = '\0';
	json_word(j, word);
}

static void jsonl_write_float(struct json *j, const char *text, size_t size)
{
	const double value = size == sizeof(value) ? jsonl_float_of(text) : NAN;

	if (!isfinite(value)) {
		json_string_begin(j);
		jsonl_put_float(j, value);
		json_string_end(j);
		return;
	}
	json_word(j, "");
	jsonl_put_float(j, value);
}

static const char *const value_kinds[] = {
	[SNAP_VALUE_STR] = "str",   [SNAP_VALUE_BYTES] = "bytes",
	[SNAP_VALUE_INT] = "int",   [SNAP_VALUE_FLOAT] = "float",
	[SNAP_VALUE_BOOL] = "bool", [SNAP_VALUE_NAME] = "name",
};

static void jsonl_member_value(struct json *j, const struct snap_value *v)
{
	if (v->size == 0 &&
	    (v->length > 0 || v->kind == SNAP_VALUE_FLOAT || v->kind == SNAP_VALUE_BOOL))
		return; /* values were left out; only the length and hash are known */
	json_key(j, "value");
	switch (v->kind) {
	case SNAP_VALUE_BYTES:
		json_latin1(j, v->text, v->size);
		break;
	case SNAP_VALUE_INT:
		jsonl_write_int(j, v->text, v->size);
		break;
	case SNAP_VALUE_FLOAT:
		jsonl_write_float(j, v->text, v->size);
		break;
	case SNAP_VALUE_BOOL:
		json_word(j, v->text[0] ? "true" : "false");
		break;
	default:
		json_text(j, v->text, v->size);
	}
}

static int jsonl_write_value(struct snap_sink *sink, const struct snap_value *v)
{
	struct jsonl *const e = jsonl_of(sink);
	struct json *const j = &e->json;

	if (!e->object_open || v->addr != e->object_addr)
		return 0;
	jsonl_member_value(j, v);
	json_key(j, "value_kind");
	json_text(j, value_kinds[v->kind], strlen(value_kinds[v->kind]));
	json_member_u64(j, "length", v->length);
	if (v->hash && v->kind == SNAP_VALUE_NAME) {
		json_member_u64(j, "parameters", v->hash);
	} else if (v->hash) {
		json_key(j, "hash");
		json_string_begin(j);
		json_put_hex(j, v->hash);
		json_string_end(j);
	}
	jsonl_finish_object(e);
	return 0;
}

/* ---- the other lines ---- */

static void jsonl_begin_line(struct jsonl *e, const char *key)
{
	jsonl_finish_object(e);
	json_open(&e->json, '{');
	json_key(&e->json, key);
	json_open(&e->json, '{');
}

static int jsonl_end_line(struct jsonl *e)
{
	json_close(&e->json, '}');
	json_close(&e->json, '}');
	json_line(&e->json);
	return ferror(e->json.file) ? -EIO : 0;
}

static int jsonl_take_string(struct snap_sink *sink, uint32_t id, const char *text,
			     size_t size)
{
	return tables_string(&jsonl_of(sink)->tables, id, text, size);
}

static int jsonl_take_type(struct snap_sink *sink, const struct snap_type *type)
{
	return tables_type(&jsonl_of(sink)->tables, type);
}

int jsonl_take_shape(struct snap_sink *sink, const struct snap_shape *shape)
{
	return tables_shape(&jsonl_of(sink)->tables, shape);
}

static const char *const object_kinds[SNAP_KIND_COUNT] = {
	"object",    "int",	   "bool",    "float", "str",	    "bytes",
	"bytearray", "tuple",	   "list",    "dict",  "set",	    "type",
	"module",    "function",   "method",  "code",  "frame",	    "generator",
	"cell",	     "weakref",	   "builtin", "none",  "exception", "traceback",
	"deque",     "memoryview",
};

static int jsonl_write_type(struct snap_sink *sink, const struct snap_type *t)
{
	struct jsonl *const e = jsonl_of(sink);
	struct json *const j = &e->json;

	if (jsonl_take_type(sink, t) != 0)
		return -ENOMEM;
	jsonl_begin_line(e, "class");
	jsonl_member_string(e, "name", t->name);
	json_member_u64(j, "address", t->addr);
	json_member_text(j, "kind", object_kinds[t->kind], strlen(object_kinds[t->kind]));
	json_member_u64(j, "basicsize", t->basicsize);
	json_member_u64(j, "itemsize", t->itemsize);
	MEMBER_FLAGS(j, "flags", t->flags, type_flags);
	return jsonl_end_line(e);
}

static const char *const thread_flags[] = { "main", "gil" };

static int jsonl_write_thread(struct snap_sink *sink, const struct snap_thread *t)
{
	struct jsonl *const e = jsonl_of(sink);

	jsonl_begin_line(e, "thread");
	json_member_u64(&e->json, "id", t->id);
	jsonl_member_string(e, "name", t->name);
	json_member_u64(&e->json, "native_id", t->native_id);
	json_member_u64(&e->json, "ident", t->ident);
	json_member_u64(&e->json, "interpreter", t->interpreter);
	MEMBER_FLAGS(&e->json, "flags", t->flags, thread_flags);
	return jsonl_end_line(e);
}

static int jsonl_write_frame(struct snap_sink *sink, const struct snap_frame *f)
{
	struct jsonl *const e = jsonl_of(sink);

	jsonl_begin_line(e, "frame");
	json_member_u64(&e->json, "id", f->id);
	json_member_u64(&e->json, "thread", f->thread);
	json_member_u64(&e->json, "depth", f->depth);
	jsonl_member_string(e, "function", f->function);
	jsonl_member_string(e, "file", f->file);
	json_member_u64(&e->json, "line", f->line);
	json_member_u64(&e->json, "code", f->code);
	json_member_u64(&e->json, "object", f->object);
	return jsonl_end_line(e);
}

static const char *const root_flags[] = { "borrowed", "conservative" };

static int jsonl_write_root(struct snap_sink *sink, const struct snap_root *r)
{
	struct jsonl *const e = jsonl_of(sink);
	struct json *const j = &e->json;

	jsonl_begin_line(e, "root");
	json_member_u64(j, "to", r->target);
	json_member_text(j, "kind", words_roots[r->kind].kind,
			 strlen(words_roots[r->kind].kind));
	jsonl_member_string(e, "name", r->name);
	json_member_u64(j, "thread", r->thread);
	json_member_u64(j, "frame", r->frame);
	MEMBER_FLAGS(j, "flags", r->flags, root_flags);
	return jsonl_end_line(e);
}

static const char *const map_classes[] = {
	"heap", "anonymous", "stack", "file", "shared", "special", "agent",
};

static int jsonl_write_map(struct snap_sink *sink, const struct snap_map *m)
{
	struct jsonl *const e = jsonl_of(sink);
	struct json *const j = &e->json;
	const char perms[5] = { m->perms & 1 ? 'r' : '-', m->perms & 2 ? 'w' : '-',
				m->perms & 4 ? 'x' : '-', m->perms & 8 ? 's' : 'p',
				'\0' };

	jsonl_begin_line(e, "map");
	json_member_u64(j, "start", m->start);
	json_member_u64(j, "end", m->end);
	json_member_u64(j, "offset", m->offset);
	jsonl_member_string(e, "name", m->name);
	json_member_text(j, "class", map_classes[m->class_],
			 strlen(map_classes[m->class_]));
	json_member_text(j, "perms", perms, 4);
	json_member_u64(j, "rss", m->rss);
	json_member_u64(j, "pss", m->pss);
	json_member_u64(j, "private_dirty", m->private_dirty);
	json_member_u64(j, "anonymous", m->anonymous);
	json_member_u64(j, "swap", m->swap);
	json_member_u64(j, "live", m->live);
	json_member_u64(j, "object_bytes", m->object_bytes);
	return jsonl_end_line(e);
}

static const char *const buffer_flags[] = { "owner", "view", "counted", "inferred" };

static int jsonl_write_buffer(struct snap_sink *sink, const struct snap_buffer *b)
{
	struct jsonl *const e = jsonl_of(sink);

	jsonl_begin_line(e, "buffer");
	json_member_u64(&e->json, "object", b->object);
	json_member_u64(&e->json, "data", b->data);
	json_member_u64(&e->json, "length", b->length);
	json_member_u64(&e->json, "owner", b->owner);
	jsonl_member_string(e, "source", b->source);
	MEMBER_FLAGS(&e->json, "flags", b->flags, buffer_flags);
	if (b->chunks)
		json_member_u64(&e->json, "chunks", b->chunks);
	if (b->sharers > 1)
		json_member_u64(&e->json, "sharers", b->sharers);
	return jsonl_end_line(e);
}

static int jsonl_write_chunks(struct snap_sink *sink, const struct snap_chunks *c)
{
	struct jsonl *const e = jsonl_of(sink);

	jsonl_begin_line(e, "chunks");
	jsonl_member_string(e, "name", c->name);
	jsonl_member_string(e, "holder", c->holder);
	json_member_u64(&e->json, "size", c->size);
	json_member_u64(&e->json, "count", c->count);
	json_member_u64(&e->json, "bytes", c->bytes);
	json_member_u64(&e->json, "example", c->example);
	return jsonl_end_line(e);
}

static int jsonl_write_run(struct jsonl *e, const char *what, uint64_t start,
			   uint64_t length)
{
	jsonl_begin_line(e, what);
	json_member_u64(&e->json, "start", start);
	json_member_u64(&e->json, "length", length);
	return jsonl_end_line(e);
}

static int jsonl_write_shared(struct snap_sink *sink, const struct snap_shared *s)
{
	return jsonl_write_run(jsonl_of(sink), "shared", s->start, s->length);
}

static int jsonl_write_absent(struct snap_sink *sink, const struct snap_absent *a)
{
	return jsonl_write_run(jsonl_of(sink), "absent", a->start, a->length);
}

static int jsonl_write_site(struct snap_sink *sink, const struct snap_site *s)
{
	struct jsonl *const e = jsonl_of(sink);

	jsonl_begin_line(e, "site");
	json_member_u64(&e->json, "id", s->id);
	json_member_u64(&e->json, "caller", s->caller);
	jsonl_member_string(e, "file", s->file);
	json_member_u64(&e->json, "line", s->line);
	return jsonl_end_line(e);
}

static int jsonl_write_trace(struct snap_sink *sink, const struct snap_trace *t)
{
	struct jsonl *const e = jsonl_of(sink);

	jsonl_begin_line(e, "trace");
	json_member_u64(&e->json, "address", t->addr);
	json_member_u64(&e->json, "size", t->size);
	json_member_u64(&e->json, "site", t->site);
	json_member_u64(&e->json, "domain", t->domain);
	return jsonl_end_line(e);
}

static int jsonl_write_line(struct snap_sink *sink, const struct snap_line *l)
{
	struct jsonl *const e = jsonl_of(sink);

	jsonl_begin_line(e, "line");
	json_member_u64(&e->json, "object", l->object);
	json_member_u64(&e->json, "call", l->call);
	jsonl_member_string(e, "file", l->file);
	json_member_u64(&e->json, "line", l->line);
	return jsonl_end_line(e);
}

static int jsonl_write_check(struct snap_sink *sink, const struct snap_size_check *c)
{
	struct jsonl *const e = jsonl_of(sink);

	jsonl_begin_line(e, "size_check");
	jsonl_member_type(e, "type", c->type);
	json_member_u64(&e->json, "checked", c->checked);
	json_member_u64(&e->json, "mismatched", c->mismatched);
	json_member_u64(&e->json, "ours", c->ours);
	json_member_u64(&e->json, "theirs", c->theirs);
	return jsonl_end_line(e);
}

static int jsonl_write_error(struct snap_sink *sink, const struct snap_error *error)
{
	struct jsonl *const e = jsonl_of(sink);

	jsonl_begin_line(e, "error");
	json_member_u64(&e->json, "address", error->addr);
	if (error->type)
		jsonl_member_type(e, "type", error->type);
	jsonl_member_string(e, "text", error->text);
	return jsonl_end_line(e);
}

const struct snap_sink_ops jsonl_write_ops = {
	.string = jsonl_take_string,
	.type = jsonl_write_type,
	.shape = jsonl_take_shape,
	.object = jsonl_write_object,
	.value = jsonl_write_value,
	.thread = jsonl_write_thread,
	.frame = jsonl_write_frame,
	.root = jsonl_write_root,
	.map = jsonl_write_map,
	.buffer = jsonl_write_buffer,
	.chunks = jsonl_write_chunks,
	.shared = jsonl_write_shared,
	.absent = jsonl_write_absent,
	.site = jsonl_write_site,
	.trace = jsonl_write_trace,
	.line = jsonl_write_line,
	.size_check = jsonl_write_check,
	.error = jsonl_write_error,
};

/* ---- the process's line ---- */

static const struct fact *jsonl_find_fact(const struct process *p, const char *key)
{
	for (size_t i = 0; i < p->nfacts; i++)
		if (strcmp(p->facts[i].key, key) == 0)
			return &p->facts[i];
	return NULL;
}

static void jsonl_put_fact(struct json *j, const struct fact *fact)
{
	if (!fact)
		json_word(j, "null");
	else if (fact->text)
		json_text(j, fact->text, fact->size);
	else
		json_u64(j, fact->u64);
}

int jsonl_process(struct jsonl *e, uint32_t ordinal)
{
	const struct process *const p = e->current;
	struct json *const j = &e->json;

	jsonl_begin_line(e, "process");
	json_member_u64(j, "ordinal", ordinal);
	json_key(j, "pid");
	jsonl_put_fact(j, jsonl_find_fact(p, "pid"));
	json_key(j, "python");
	jsonl_put_fact(j, jsonl_find_fact(p, "python.version"));
	json_key(j, "complete");
	json_word(j, p->complete ? "true" : "false");
	json_key(j, "problem");
	if (p->problem.code == SNAP_OK)
		json_word(j, "null");
	else
		json_text(j, p->problem.text, strlen(p->problem.text));
	json_key(j, "facts");
	json_open(j, '{');
	for (size_t i = 0; i < p->nfacts; i++) {
		json_text(j, p->facts[i].key, strlen(p->facts[i].key));
		json_put_ascii(j, ":");
		j->comma = false;
		jsonl_put_fact(j, &p->facts[i]);
	}
	json_close(j, '}');
	json_member_u64(j, "schema", 1);
	return jsonl_end_line(e);
}
