/* SPDX-License-Identifier: MIT */
/* probes - see probes.h */
#include "agent/heap/extension/probes.h"

#include <string.h>

#include "agent/heap/core/elf_symbol.h"
#include "agent/heap/extension/native.h"
#include "agent/heap/extension/probe_expr.h"
#include "agent/heap/core/walk_internal.h"

enum { PROBES_MAX = 256, ARGS_MAX = 8, PROBE_WAITING = 1 << 20, NAME_MAX_ = 128 };

struct text {
	const char *pos;
	size_t size;
};

struct probe {
	struct text name, types, data, length, owner, when;
	struct text library, symbol, signature, arguments;
	bool counted;
	uint32_t source;   /* string id of the name */
	uint64_t function; /* address, once looked up */
	bool looked_up;
};

struct probe_object {
	uint64_t obj;
	struct probe *probe;
};

struct probes {
	struct probe probes[PROBES_MAX];
	uint32_t count;
	struct probe_object *waiting;
	uint32_t nwaiting;
	uint64_t *stack;
};

/* ---- text ---- */

static struct text trim(const char *pos, const char *end)
{
	while (pos < end && (*pos == ' ' || *pos == '\t'))
		pos++;
	while (pos < end && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	return (struct text){ pos, (size_t)(end - pos) };
}

static bool equals(struct text text, const char *wanted)
{
	return text.size == strlen(wanted) && !memcmp(text.pos, wanted, text.size);
}

/* The next item of a list; false at its end. */
static bool next_item(struct text *list, char separator, struct text *ret)
{
	const char *stop;

	if (!list->size)
		return false;
	stop = memchr(list->pos, separator, list->size);
	if (!stop)
		stop = list->pos + list->size;
	*ret = trim(list->pos, stop);
	list->size -= (size_t)(stop - list->pos);
	list->pos = stop;
	if (list->size) {
		list->pos++;
		list->size--;
	}
	return true;
}

static void complain(struct walk *w, struct text what, const char *why)
{
	char buf[256] = "probe ";
	size_t n = what.size < 100 ? what.size : 100, at = strlen(buf);

	memcpy(buf + at, what.pos, n);
	at += n;
	memcpy(buf + at, ": ", 2);
	strncpy(buf + at + 2, why, sizeof(buf) - at - 3);
	walk_error(w, 0, NULL, buf);
}

/* ---- parsing ---- */

static struct text *field_of(struct probe *probe, struct text key)
{
	const struct {
		const char *name;
		struct text *field;
	} fields[] = {
		{ "type", &probe->types },	    { "data", &probe->data },
		{ "length", &probe->length },	    { "owner", &probe->owner },
		{ "when", &probe->when },	    { "library", &probe->library },
		{ "symbol", &probe->symbol },	    { "signature", &probe->signature },
		{ "arguments", &probe->arguments },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (equals(key, fields[i].name))
			return fields[i].field;
	return NULL;
}

static bool expression_ok(struct text text)
{
	struct probe_scope scope = { 0 };
	uint64_t v;

	return !text.size || probe_eval(text.pos, text.size, &scope, &v) != PROBE_SYNTAX;
}

/* Why it can't be used, or NULL. */
static const char *probe_flaw(const struct probe *probe)
{
	struct text list = probe->arguments, item;

	if (!probe->types.size || !probe->data.size || !probe->length.size)
		return "type, data and length are needed";
	if (!expression_ok(probe->data) || !expression_ok(probe->length) ||
	    !expression_ok(probe->owner) || !expression_ok(probe->when))
		return "an expression can't be understood";
	if (probe->symbol.size && (!probe->library.size || !probe->signature.size))
		return "a symbol needs library and signature";
	while (next_item(&list, ',', &item))
		if (!expression_ok(item.size && *item.pos == '&' ?
					   (struct text){ item.pos + 1, item.size - 1 } :
					   item))
			return "an argument can't be understood";
	return NULL;
}

static void check_last(struct walk *w, struct probes *probes)
{
	struct probe *last = probes->count ? &probes->probes[probes->count - 1] : NULL;
	const char *flaw = last ? probe_flaw(last) : NULL;

	if (flaw) {
		complain(w, last->name, flaw);
		probes->count--;
	}
}

static void parse_line(struct walk *w, struct probes *probes, struct text line)
{
	const char *equal = memchr(line.pos, '=', line.size);
	struct probe *probe;
	struct text *field;

	if (line.size > 6 && !memcmp(line.pos, "probe ", 6)) {
		check_last(w, probes);
		if (probes->count == PROBES_MAX)
			return;
		probe = &probes->probes[probes->count++];
		memset(probe, 0, sizeof(*probe));
		probe->name = trim(line.pos + 6, line.pos + line.size);
		probe->source = walk_string(w, probe->name.pos, probe->name.size);
		return;
	}
	if (!probes->count) {
		complain(w, line, "a line before the first probe");
		return;
	}
	probe = &probes->probes[probes->count - 1];
	if (equals(line, "counted")) {
		probe->counted = true;
		return;
	}
	field = equal ? field_of(probe, trim(line.pos, equal)) : NULL;
	if (field)
		*field = trim(equal + 1, line.pos + line.size);
	else
		complain(w, line, "what this line means is not known");
}

static void parse(struct walk *w, struct probes *probes, const char *text)
{
	struct text rest = { text, strlen(text) }, line;

	while (next_item(&rest, '\n', &line)) {
		const char *hash = memchr(line.pos, '#', line.size);

		if (hash)
			line = trim(line.pos, hash);
		if (line.size)
			parse_line(w, probes, line);
	}
	check_last(w, probes);
}

void probes_begin(struct walk *w)
{
	struct probes *probes = arena_alloc(w->arena, sizeof(*probes));

	w->probes = probes;
	if (!probes)
		return;
	if (w->options->probes) /* the user's come first: they win */
		parse(w, probes, w->options->probes);
	parse(w, probes, probes_builtin);
}

/* ---- running ---- */

static enum probe_status eval(struct text text, const struct probe_scope *scope,
			      uint64_t *ret)
{
	return probe_eval(text.pos, text.size, scope, ret);
}

static void emit(struct walk *w, const struct probe *probe, struct probe_scope *scope)
{
	uint64_t when = 1, owner = 0;
	uint32_t flags;

	if (probe->when.size && (eval(probe->when, scope, &when) || !when))
		return;
	if (eval(probe->data, scope, &scope->data) ||
	    eval(probe->length, scope, &scope->length))
		return;
	if (probe->owner.size && eval(probe->owner, scope, &owner))
		return;
	if (owner && !walk_is_object(w, owner))
		owner = 0;
	flags = owner && owner != scope->obj ? SNAP_BUFFER_VIEW : SNAP_BUFFER_OWNER;
	if (probe->counted)
		flags |= SNAP_BUFFER_COUNTED;
	native_emit(w, scope->obj, scope->data, scope->length, owner, probe->source,
		    flags);
}

static void native_probe(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct probes *probes = w->probes;
	struct probe *probe = type->native_data;
	struct probe_scope scope = { .obj = obj, .stack = probes->stack };

	if (!probe->symbol.size) {
		emit(w, probe, &scope);
		return;
	}
	if (!probes->waiting)
		probes->waiting =
			arena_map(w->arena, PROBE_WAITING * sizeof(*probes->waiting));
	if (probes->waiting && probes->nwaiting < PROBE_WAITING)
		probes->waiting[probes->nwaiting++] = (struct probe_object){ obj, probe };
}

static bool copy_text(struct text text, char *buf, size_t size)
{
	if (text.size >= size)
		return false;
	memcpy(buf, text.pos, text.size);
	buf[text.size] = '\0';
	return true;
}

static void look_up(struct walk *w, struct probe *probe)
{
	char library[NAME_MAX_], symbol[NAME_MAX_];

	probe->looked_up = true;
	if (copy_text(probe->library, library, sizeof(library)) &&
	    copy_text(probe->symbol, symbol, sizeof(symbol)))
		probe->function = elf_symbol(w, library, symbol);
	if (!probe->function)
		complain(w, probe->name, "its function is not in this process");
}

static void run(struct walk *w, struct probe *probe, uint64_t obj)
{
	struct probes *probes = w->probes;
	struct probe_scope scope = { .obj = obj, .stack = probes->stack };
	struct text list = probe->arguments, item;
	uint64_t args[ARGS_MAX] = { 0 };
	char signature[NAME_MAX_];
	void *function;
	int n = 0;

	while (n < ARGS_MAX && next_item(&list, ',', &item)) {
		if (item.size == 5 && !memcmp(item.pos, "&out", 4) &&
		    item.pos[4] >= '0' && item.pos[4] < '0' + PROBE_OUTS)
			args[n++] = (uint64_t)(uintptr_t)&scope.out[item.pos[4] - '0'];
		else if (eval(item, &scope, &args[n++]))
			return;
	}
	if (!copy_text(probe->signature, signature, sizeof(signature)))
		return;
	function = (void *)(uintptr_t)probe->function;
	walk_position.object = obj;
	if (cpython_call(function, signature, args, &scope.result) < 0) {
		complain(w, probe->name, "its signature can't be understood");
		probe->function = 0;
		return;
	}
	emit(w, probe, &scope);
}

void probes_finish(struct walk *w)
{
	const struct probes *probes = w->probes;

	if (!probes || !w->options->in_copy)
		return;
	for (uint32_t i = 0; i < probes->nwaiting && !w->err; i++) {
		struct probe *probe = probes->waiting[i].probe;

		if (!probe->looked_up)
			look_up(w, probe);
		if (probe->function)
			run(w, probe, probes->waiting[i].obj);
	}
	walk_position.object = 0;
}

/* ---- which type ---- */

static struct probe *find(struct probes *probes, const char *name)
{
	for (uint32_t i = 0; i < probes->count; i++) {
		struct text list = probes->probes[i].types, item;

		while (next_item(&list, '|', &item))
			if (equals(item, name))
				return &probes->probes[i];
	}
	return NULL;
}

bool probes_type_hook(struct walk *w, struct walk_type *type)
{
	struct probes *probes = w->probes;
	struct probe *probe =
		probes && type->name_text ? find(probes, type->name_text) : NULL;
	char name[NAME_MAX_];

	if (!probes)
		return false;
	for (uint64_t t = type->addr; t && !probe; t = peek64(t + w->lay->tp_base))
		if (walk_tp_name(w, t, name, sizeof(name)) && strchr(name, '.'))
			probe = find(probes, name);
	if (!probe)
		return false;
	if (!probes->stack) /* only now: most heaps have no such type */
		probes->stack = arena_map(w->arena, PROBE_STACK * sizeof(*probes->stack));
	type->native_data = probe;
	type->native = native_probe;
	return true;
}
