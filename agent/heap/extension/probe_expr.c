/* SPDX-License-Identifier: MIT */
/* probe_expr - see probe_expr.h */
#include "agent/heap/extension/probe_expr.h"

#include <string.h>

#include "agent/base/peek.h"

enum { DEPTH_MAX = 32, OFFSETS_MAX = 8, NODES_MAX = 1 << 26 };

struct cursor {
	const char *pos, *end;
	const struct probe_scope *scope;
	enum probe_status status;
	int depth;
};

static uint64_t sum(struct cursor *c);

static void fail(struct cursor *c, enum probe_status status)
{
	if (c->status < status)
		c->status = status;
}

static bool accept(struct cursor *c, char wanted)
{
	while (c->pos < c->end && (*c->pos == ' ' || *c->pos == '\t'))
		c->pos++;
	if (c->pos == c->end || *c->pos != wanted)
		return false;
	c->pos++;
	return true;
}

static void expect(struct cursor *c, char wanted)
{
	if (!accept(c, wanted))
		fail(c, PROBE_SYNTAX);
}

/* A name or a number's letters at the cursor. */
static size_t word(struct cursor *c, const char **ret)
{
	accept(c, ' ');
	*ret = c->pos;
	while (c->pos < c->end &&
	       ((*c->pos >= 'a' && *c->pos <= 'z') ||
		(*c->pos >= '0' && *c->pos <= '9') ||
		(*c->pos >= 'A' && *c->pos <= 'Z') || *c->pos == '_'))
		c->pos++;
	return (size_t)(c->pos - *ret);
}

static bool is(const char *text, size_t size, const char *wanted)
{
	return strlen(wanted) == size && !memcmp(text, wanted, size);
}

static uint64_t number(struct cursor *c, const char *text, size_t size)
{
	unsigned base = 10;
	uint64_t v = 0;

	if (size > 2 && text[0] == '0' && text[1] == 'x') {
		base = 16;
		text += 2;
		size -= 2;
	}
	for (size_t i = 0; i < size; i++) {
		char ch = text[i];
		unsigned digit = ch >= '0' && ch <= '9' ?
			(unsigned)(ch - '0') :
			(ch | 32) >= 'a' && (ch | 32) <= 'f' ?
			(unsigned)((ch | 32) - 'a') + 10 :
			99;

		if (digit >= base)
			fail(c, PROBE_SYNTAX);
		v = v * base + digit;
	}
	return v;
}

/* ---- memory ---- */

static uint64_t load(struct cursor *c, uint64_t addr)
{
	static const struct {
		const char *name;
		uint8_t size;
		bool negative;
	} types[] = {
		{ "u8", 1, false },  { "u16", 2, false }, { "u32", 4, false },
		{ "u64", 8, false }, { "i8", 1, true },	  { "i16", 2, true },
		{ "i32", 4, true },  { "i64", 8, true },
	};
	const char *name = "u64";
	size_t size = 3, i = 0;
	uint64_t v = 0;

	if (accept(c, ':'))
		size = word(c, &name);
	while (i < sizeof(types) / sizeof(*types) && !is(name, size, types[i].name))
		i++;
	if (i == sizeof(types) / sizeof(*types)) {
		fail(c, PROBE_SYNTAX);
		return 0;
	}
	if (!peek_safe(addr, &v, types[i].size))
		fail(c, PROBE_UNREADABLE);
	if (types[i].negative && types[i].size < 8) {
		unsigned shift = 64u - 8u * types[i].size;

		v = (uint64_t)((int64_t)(v << shift) >> shift);
	}
	return v;
}

/* Usable bytes of the chunk at addr; 0 when it doesn't look like one. */
static uint64_t chunk_size(uint64_t addr)
{
	uint64_t head;

	if (!peek_plausible(addr) || addr % 16 || !peek_safe64(addr - 8, &head))
		return 0;
	head &= ~7ull;
	return head >= 32 && head % 16 == 0 && head < 1ull << 40 ? head - 8 : 0;
}

static uint64_t chunks(struct cursor *c, uint64_t root, const uint64_t *offsets, int n)
{
	uint64_t *stack = c->scope->stack, total = 0, depth = 0, nodes = 0;

	if (!stack || !chunk_size(root))
		return chunk_size(root);
	stack[depth++] = root;
	while (depth && nodes++ < NODES_MAX) {
		uint64_t node = stack[--depth], size = chunk_size(node), next;

		total += size;
		for (int i = 0; i < n; i++)
			if (offsets[i] + 8 <= size && depth < PROBE_STACK &&
			    peek_safe64(node + offsets[i], &next) && chunk_size(next))
				stack[depth++] = next;
	}
	return total;
}

static uint64_t call_chunks(struct cursor *c)
{
	uint64_t offsets[OFFSETS_MAX], root;
	int n = 0;

	expect(c, '(');
	root = sum(c);
	while (n < OFFSETS_MAX && accept(c, ','))
		offsets[n++] = sum(c);
	expect(c, ')');
	return c->status == PROBE_OK ? chunks(c, root, offsets, n) : 0;
}

/* ---- grammar ---- */

static uint64_t named(struct cursor *c, const char *text, size_t size)
{
	const struct probe_scope *scope = c->scope;

	if (size == 4 && !memcmp(text, "out", 3) && text[3] >= '0' && text[3] < '4')
		return scope->out[text[3] - '0'];
	if (is(text, size, "obj"))
		return scope->obj;
	if (is(text, size, "data"))
		return scope->data;
	if (is(text, size, "length"))
		return scope->length;
	if (is(text, size, "result"))
		return scope->result;
	if (is(text, size, "chunks"))
		return call_chunks(c);
	if (is(text, size, "malloc")) {
		uint64_t v;

		expect(c, '(');
		v = sum(c);
		expect(c, ')');
		return c->status == PROBE_OK ? chunk_size(v) : 0;
	}
	fail(c, PROBE_SYNTAX);
	return 0;
}

static uint64_t atom(struct cursor *c)
{
	const char *text;
	size_t size;
	uint64_t v;

	if (++c->depth > DEPTH_MAX) {
		fail(c, PROBE_SYNTAX);
		return 0;
	}
	if (accept(c, '[')) {
		v = sum(c);
		expect(c, ']');
		v = load(c, v);
	} else if (accept(c, '(')) {
		v = sum(c);
		expect(c, ')');
	} else if ((size = word(c, &text))) {
		v = *text >= '0' && *text <= '9' ? number(c, text, size) :
						   named(c, text, size);
	} else {
		fail(c, PROBE_SYNTAX);
		v = 0;
	}
	c->depth--;
	return v;
}

static uint64_t product(struct cursor *c)
{
	uint64_t v = atom(c);

	while (c->status != PROBE_SYNTAX && accept(c, '*'))
		v *= atom(c);
	return v;
}

static uint64_t sum(struct cursor *c)
{
	uint64_t v = product(c);

	while (c->status != PROBE_SYNTAX) {
		if (accept(c, '+'))
			v += product(c);
		else if (accept(c, '-'))
			v -= product(c);
		else
			break;
	}
	return v;
}

enum probe_status probe_eval(const char *text, size_t size,
			     const struct probe_scope *scope, uint64_t *ret)
{
	struct cursor c = { .pos = text, .end = text + size, .scope = scope };
	uint64_t v = sum(&c);

	accept(&c, ' ');
	if (c.pos != c.end)
		fail(&c, PROBE_SYNTAX);
	*ret = c.status == PROBE_OK ? v : 0;
	return c.status;
}
