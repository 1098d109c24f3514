/* SPDX-License-Identifier: MIT */
/* probes - see probes.h. */
#include "agent/heap/extension/probes.h"

#include <string.h>

#include "agent/heap/core/elf.h"
#include "agent/heap/core/events.h"
#include "agent/heap/core/position.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/extension/native.h"
#include "agent/heap/extension/probe_expr.h"
#include "agent/heap/extension/state.h"
#include "agent/python/call.h"
#include "agent/python/type.h"

enum { PROBES_MAX = 256, ARGS_MAX = 8, PROBE_WAITING = 1 << 20, PROBES_NAME = 128 };

struct probe_text {
	const char *pos;
	size_t size;
};

struct probe {
	struct probe_text name, types, data, length, owner, when;
	struct probe_text library, symbol, signature, arguments;
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

static struct probe_text probes_trim(const char *pos, const char *end)
{
	while (pos < end && (*pos == ' ' || *pos == '\t'))
		pos++;
	while (pos < end && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	return (struct probe_text){ pos, (size_t)(end - pos) };
}

static bool probes_equals(struct probe_text text, const char *wanted)
{
	return text.size == strlen(wanted) && !memcmp(text.pos, wanted, text.size);
}

/* The next item of a list; false at its end. */
static bool probes_next(struct probe_text *list, char separator, struct probe_text *ret)
{
	const char *stop;

	if (!list->size)
		return false;
	stop = memchr(list->pos, separator, list->size);
	if (!stop)
		stop = list->pos + list->size;
	*ret = probes_trim(list->pos, stop);
	list->size -= (size_t)(stop - list->pos);
	list->pos = stop;
	if (list->size) {
		list->pos++;
		list->size--;
	}
	return true;
}

static void probes_complain(struct walk *w, struct probe_text what, const char *why)
{
	char buf[256] = "probe ";
	size_t n = what.size < 100 ? what.size : 100, at = strlen(buf);

	memcpy(buf + at, what.pos, n);
	at += n;
	memcpy(buf + at, ": ", 2);
	strncpy(buf + at + 2, why, sizeof(buf) - at - 3);
	events_error(w, 0, NULL, buf);
}

/* ---- parsing ---- */

static struct probe_text *probes_field(struct probe *probe, struct probe_text key)
{
	const struct {
		const char *name;
		struct probe_text *field;
	} fields[] = {
		{ "type", &probe->types },	    { "data", &probe->data },
		{ "length", &probe->length },	    { "owner", &probe->owner },
		{ "when", &probe->when },	    { "library", &probe->library },
		{ "symbol", &probe->symbol },	    { "signature", &probe->signature },
		{ "arguments", &probe->arguments },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (probes_equals(key, fields[i].name))
			return fields[i].field;
	return NULL;
}

static bool probes_expression_ok(struct probe_text text)
{
	struct probe_scope scope = { 0 };
	uint64_t v;

	return !text.size ||
		probe_expr_eval(text.pos, text.size, &scope, &v) != PROBE_SYNTAX;
}

/* Why it can't be used, or NULL. */
static const char *probes_flaw(const struct probe *probe)
{
	struct probe_text list = probe->arguments, item;

	if (!probe->types.size || !probe->data.size || !probe->length.size)
		return "type, data and length are needed";
	if (!probes_expression_ok(probe->data) || !probes_expression_ok(probe->length) ||
	    !probes_expression_ok(probe->owner) || !probes_expression_ok(probe->when))
		return "an expression can't be understood";
	if (probe->symbol.size && (!probe->library.size || !probe->signature.size))
		return "a symbol needs library and signature";
	while (probes_next(&list, ',', &item))
		if (!probes_expression_ok(
			    item.size && *item.pos == '&' ?
				    (struct probe_text){ item.pos + 1, item.size - 1 } :
				    item))
			return "an argument can't be understood";
	return NULL;
}

static void probes_check_last(struct walk *w, struct probes *probes)
{
	struct probe *last = probes->count ? &probes->probes[probes->count - 1] : NULL;
	const char *flaw = last ? probes_flaw(last) : NULL;

	if (flaw) {
		probes_complain(w, last->name, flaw);
		probes->count--;
	}
}

static void probes_parse_line(struct walk *w, struct probes *probes,
			      struct probe_text line)
{
	const char *equal = memchr(line.pos, '=', line.size);
	struct probe *probe;
	struct probe_text *field;

	if (line.size > 6 && !memcmp(line.pos, "probe ", 6)) {
		probes_check_last(w, probes);
		if (probes->count == PROBES_MAX)
			return;
		probe = &probes->probes[probes->count++];
		memset(probe, 0, sizeof(*probe));
		probe->name = probes_trim(line.pos + 6, line.pos + line.size);
		probe->source = strings_add(w, probe->name.pos, probe->name.size);
		return;
	}
	if (!probes->count) {
		probes_complain(w, line, "a line before the first probe");
		return;
	}
	probe = &probes->probes[probes->count - 1];
	if (probes_equals(line, "counted")) {
		probe->counted = true;
		return;
	}
	field = equal ? probes_field(probe, probes_trim(line.pos, equal)) : NULL;
	if (field)
		*field = probes_trim(equal + 1, line.pos + line.size);
	else
		probes_complain(w, line, "what this line means is not known");
}

static void probes_parse(struct walk *w, struct probes *probes, const char *text)
{
	struct probe_text rest = { text, strlen(text) }, line;

	while (probes_next(&rest, '\n', &line)) {
		const char *hash = memchr(line.pos, '#', line.size);

		if (hash)
			line = probes_trim(line.pos, hash);
		if (line.size)
			probes_parse_line(w, probes, line);
	}
	probes_check_last(w, probes);
}

void probes_begin(struct walk *w)
{
	struct probes *probes = arena_alloc(w->arena, sizeof(*probes));

	w->specialists->probes = probes;
	if (!probes)
		return;
	if (w->options->probes) /* the user's come first: they win */
		probes_parse(w, probes, w->options->probes);
	probes_parse(w, probes, probes_builtin);
}

/* ---- running ---- */

static enum probe_status probes_eval(struct probe_text text,
				     const struct probe_scope *scope, uint64_t *ret)
{
	return probe_expr_eval(text.pos, text.size, scope, ret);
}

static void probes_emit(struct walk *w, const struct probe *probe,
			struct probe_scope *scope)
{
	uint64_t when = 1, owner = 0;
	uint32_t flags;

	if (probe->when.size && (probes_eval(probe->when, scope, &when) || !when))
		return;
	if (probes_eval(probe->data, scope, &scope->data) ||
	    probes_eval(probe->length, scope, &scope->length))
		return;
	if (probe->owner.size && probes_eval(probe->owner, scope, &owner))
		return;
	if (owner && !sound_object(w, owner))
		owner = 0;
	flags = owner && owner != scope->obj ? SNAP_BUFFER_VIEW : SNAP_BUFFER_OWNER;
	if (probe->counted)
		flags |= SNAP_BUFFER_COUNTED;
	native_emit(w, scope->obj, scope->data, scope->length, owner, probe->source,
		    flags);
}

/* No chunk that a probe counted is anybody else's. */
static void probes_claim(void *arg, uint64_t addr)
{
	marks_take(&((struct walk *)arg)->marks, addr);
}

static struct probe_scope probes_scope(struct walk *w, uint64_t obj)
{
	return (struct probe_scope){ .obj = obj,
				     .stack = w->specialists->probes->stack,
				     .claim = probes_claim,
				     .arg = w };
}

static void probes_native(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct probes *probes = w->specialists->probes;
	struct probe *probe = type->probe;
	struct probe_scope scope = probes_scope(w, obj);

	if (!probe->symbol.size) {
		probes_emit(w, probe, &scope);
		return;
	}
	if (!probes->waiting)
		probes->waiting =
			arena_map(w->arena, PROBE_WAITING * sizeof(*probes->waiting));
	if (probes->waiting && probes->nwaiting < PROBE_WAITING)
		probes->waiting[probes->nwaiting++] = (struct probe_object){ obj, probe };
}

static bool probes_copy(struct probe_text text, char *buf, size_t size)
{
	if (text.size >= size)
		return false;
	memcpy(buf, text.pos, text.size);
	buf[text.size] = '\0';
	return true;
}

static void probes_look_up(struct walk *w, struct probe *probe)
{
	char library[PROBES_NAME], symbol[PROBES_NAME];

	probe->looked_up = true;
	if (probes_copy(probe->library, library, sizeof(library)) &&
	    probes_copy(probe->symbol, symbol, sizeof(symbol)))
		probe->function = elf_look_up(w, library, symbol);
	if (!probe->function)
		probes_complain(w, probe->name, "its function is not in this process");
}

static void probes_run(struct walk *w, struct probe *probe, uint64_t obj)
{
	struct probe_scope scope = probes_scope(w, obj);
	struct probe_text list = probe->arguments, item;
	uint64_t args[ARGS_MAX] = { 0 };
	char signature[PROBES_NAME];
	void *function;
	int n = 0;

	while (n < ARGS_MAX && probes_next(&list, ',', &item)) {
		if (item.size == 5 && !memcmp(item.pos, "&out", 4) &&
		    item.pos[4] >= '0' && item.pos[4] < '0' + PROBE_OUTS)
			args[n++] = (uint64_t)(uintptr_t)&scope.out[item.pos[4] - '0'];
		else if (probes_eval(item, &scope, &args[n++]))
			return;
	}
	if (!probes_copy(probe->signature, signature, sizeof(signature)))
		return;
	function = (void *)(uintptr_t)probe->function;
	position_enter(obj, walk_position.type_name);
	if (call_by_signature(function, signature, args, &scope.result) < 0) {
		probes_complain(w, probe->name, "its signature can't be understood");
		probe->function = 0;
		return;
	}
	probes_emit(w, probe, &scope);
}

void probes_finish(struct walk *w)
{
	const struct probes *probes = w->specialists->probes;

	if (!probes || !call_possible())
		return;
	for (uint32_t i = 0; i < probes->nwaiting && !w->err; i++) {
		struct probe *probe = probes->waiting[i].probe;

		if (!probe->looked_up)
			probes_look_up(w, probe);
		if (probe->function)
			probes_run(w, probe, probes->waiting[i].obj);
	}
	position_leave();
}

/* ---- which type ---- */

static struct probe *probes_find(struct probes *probes, const char *name)
{
	for (uint32_t i = 0; i < probes->count; i++) {
		struct probe_text list = probes->probes[i].types, item;

		while (probes_next(&list, '|', &item))
			if (probes_equals(item, name))
				return &probes->probes[i];
	}
	return NULL;
}

bool probes_plan(struct walk *w, struct walk_type *type)
{
	struct probes *probes = w->specialists->probes;
	struct probe *probe =
		probes && type->name_text ? probes_find(probes, type->name_text) : NULL;
	char name[PROBES_NAME];

	if (!probes)
		return false;
	for (uint64_t t = type->addr; t && !probe; t = peek64(t + w->lay->tp_base))
		if (type_name(w->lay, t, name, sizeof(name)) && strchr(name, '.'))
			probe = probes_find(probes, name);
	if (!probe)
		return false;
	if (!probes->stack) /* only now: most heaps have no such type */
		probes->stack = arena_map(w->arena, PROBE_STACK * sizeof(*probes->stack));
	type->probe = probe;
	type->native = probes_native;
	return true;
}
