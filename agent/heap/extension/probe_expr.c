/* SPDX-License-Identifier: MIT */
/* probe_expr - see probe_expr.h */
#include "agent/heap/extension/probe_expr.h"

#include <string.h>

#include "agent/base/peek.h"

enum { DEPTH_MAX = 32, OFFSETS_MAX = 8, NODES_MAX = 1 << 24 };

struct cursor {
	const char *pos, *end;
	const struct probe_scope *scope;
	enum probe_status status;
	int depth;
};

static uint64_t probe_expr_sum(struct cursor *c);

static void probe_expr_fail(struct cursor *c, enum probe_status status)
{
	if (c->status < status)
		c->status = status;
}

static bool probe_expr_accept(struct cursor *c, char wanted)
{
	while (c->pos < c->end && (*c->pos == ' ' || *c->pos == '\t'))
		c->pos++;
	if (c->pos == c->end || *c->pos != wanted)
		return false;
	c->pos++;
	return true;
}

static void probe_expr_expect(struct cursor *c, char wanted)
{
	if (!probe_expr_accept(c, wanted))
		probe_expr_fail(c, PROBE_SYNTAX);
}

/* A name or a number's letters at the cursor. */
static size_t probe_expr_word(struct cursor *c, const char **ret)
{
	probe_expr_accept(c, ' ');
	*ret = c->pos;
	while (c->pos < c->end &&
	       ((*c->pos >= 'a' && *c->pos <= 'z') ||
		(*c->pos >= '0' && *c->pos <= '9') ||
		(*c->pos >= 'A' && *c->pos <= 'Z') || *c->pos == '_'))
		c->pos++;
	return (size_t)(c->pos - *ret);
}

static bool probe_expr_is(const char *text, size_t size, const char *wanted)
{
	return strlen(wanted) == size && !memcmp(text, wanted, size);
}

static uint64_t probe_expr_number(struct cursor *c, const char *text, size_t size)
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
			probe_expr_fail(c, PROBE_SYNTAX);
		v = v * base + digit;
	}
	return v;
}

/* ---- memory ---- */

static uint64_t probe_expr_load(struct cursor *c, uint64_t addr)
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

	if (probe_expr_accept(c, ':'))
		size = probe_expr_word(c, &name);
	while (i < sizeof(types) / sizeof(*types) &&
	       !probe_expr_is(name, size, types[i].name))
		i++;
	if (i == sizeof(types) / sizeof(*types)) {
		probe_expr_fail(c, PROBE_SYNTAX);
		return 0;
	}
	if (!peek_safe(addr, &v, types[i].size))
		probe_expr_fail(c, PROBE_UNREADABLE);
	if (types[i].negative && types[i].size < 8) {
		unsigned shift = 64u - 8u * types[i].size;

		v = (uint64_t)((int64_t)(v << shift) >> shift);
	}
	return v;
}

/* Usable bytes of the chunk at addr; 0 when it doesn't look like one. */
static uint64_t probe_expr_chunk(uint64_t addr)
{
	uint64_t head;

	if (!peek_plausible(addr) || addr % 16 || !peek_safe64(addr - 8, &head))
		return 0;
	head &= ~7ull;
	return head >= 32 && head % 16 == 0 && head < 1ull << 40 ? head - 8 : 0;
}

/* The same, and says that it was counted. */
static uint64_t probe_expr_claim(const struct cursor *c, uint64_t addr)
{
	const uint64_t size = probe_expr_chunk(addr);

	if (size && c->scope->claim)
		c->scope->claim(c->scope->arg, addr);
	return size;
}

/*
 * The nodes that were counted: an open-addressing table in the second half of the
 * scope's stack.  It begins small and grows by moving on to fresh words behind itself;
 * when there is no room for more nodes, they are no longer remembered.
 */
struct visited {
	uint64_t *slot, *end;
	uint64_t size, used;
};

enum { VISITED_FIRST = 64, VISITED_GROWTH = 4 };

static bool probe_expr_table(struct visited *v, uint64_t *at, uint64_t size)
{
	if ((uint64_t)(v->end - at) < size)
		return false;
	memset(at, 0, size * sizeof(*at));
	v->slot = at;
	v->size = size;
	return true;
}

/* False: the node was there already. */
static bool probe_expr_put(struct visited *v, uint64_t node)
{
	uint64_t i = (node >> 4) * 0x9e3779b97f4a7c15ull >> 20;

	while (v->slot[i &= v->size - 1] && v->slot[i] != node)
		i++;
	if (v->slot[i] == node)
		return false;
	v->slot[i] = node;
	return true;
}

static bool probe_expr_first_visit(struct visited *v, uint64_t node)
{
	const struct visited old = *v;

	if (v->used * 2 >= v->size) {
		if (!probe_expr_table(v, old.slot + old.size, old.size * VISITED_GROWTH))
			return true;
		for (uint64_t i = 0; i < old.size; i++)
			if (old.slot[i])
				probe_expr_put(v, old.slot[i]);
	}
	if (!probe_expr_put(v, node))
		return false;
	v->used++;
	return true;
}

static uint64_t probe_expr_chunks(struct cursor *c, uint64_t root,
				  const uint64_t *offsets, int n)
{
	uint64_t *stack = c->scope->stack, total = 0, depth = 0, nodes = 0;

	if (!stack || !probe_expr_chunk(root))
		return probe_expr_claim(c, root);
	struct visited visited = { .end = stack + PROBE_STACK };
	probe_expr_table(&visited, stack + PROBE_STACK / 2, VISITED_FIRST);
	stack[depth++] = root;
	while (depth && nodes++ < NODES_MAX) {
		uint64_t node = stack[--depth], size, next;

		if (!probe_expr_first_visit(&visited, node))
			continue;
		size = probe_expr_claim(c, node);
		total += size;
		for (int i = 0; i < n; i++)
			if (size >= 8 && offsets[i] <= size - 8 &&
			    depth < PROBE_STACK / 2 &&
			    peek_safe64(node + offsets[i], &next) &&
			    probe_expr_chunk(next))
				stack[depth++] = next;
	}
	return total;
}

static uint64_t probe_expr_call_chunks(struct cursor *c)
{
	uint64_t offsets[OFFSETS_MAX], root;
	int n = 0;

	probe_expr_expect(c, '(');
	root = probe_expr_sum(c);
	while (n < OFFSETS_MAX && probe_expr_accept(c, ','))
		offsets[n++] = probe_expr_sum(c);
	probe_expr_expect(c, ')');
	return c->status == PROBE_OK ? probe_expr_chunks(c, root, offsets, n) : 0;
}

/* ---- grammar ---- */

static uint64_t probe_expr_named(struct cursor *c, const char *text, size_t size)
{
	const struct probe_scope *scope = c->scope;

	if (size == 4 && !memcmp(text, "out", 3) && text[3] >= '0' && text[3] < '4')
		return scope->out[text[3] - '0'];
	if (probe_expr_is(text, size, "obj"))
		return scope->obj;
	if (probe_expr_is(text, size, "data"))
		return scope->data;
	if (probe_expr_is(text, size, "length"))
		return scope->length;
	if (probe_expr_is(text, size, "result"))
		return scope->result;
	if (probe_expr_is(text, size, "chunks"))
		return probe_expr_call_chunks(c);
	if (probe_expr_is(text, size, "malloc")) {
		uint64_t v;

		probe_expr_expect(c, '(');
		v = probe_expr_sum(c);
		probe_expr_expect(c, ')');
		return c->status == PROBE_OK ? probe_expr_claim(c, v) : 0;
	}
	probe_expr_fail(c, PROBE_SYNTAX);
	return 0;
}

static uint64_t probe_expr_atom(struct cursor *c)
{
	const char *text;
	size_t size;
	uint64_t v;

	if (++c->depth > DEPTH_MAX) {
		probe_expr_fail(c, PROBE_SYNTAX);
		return 0;
	}
	if (probe_expr_accept(c, '[')) {
		v = probe_expr_sum(c);
		probe_expr_expect(c, ']');
		v = probe_expr_load(c, v);
	} else if (probe_expr_accept(c, '(')) {
		v = probe_expr_sum(c);
		probe_expr_expect(c, ')');
	} else if ((size = probe_expr_word(c, &text))) {
		v = *text >= '0' && *text <= '9' ? probe_expr_number(c, text, size) :
						   probe_expr_named(c, text, size);
	} else {
		probe_expr_fail(c, PROBE_SYNTAX);
		v = 0;
	}
	c->depth--;
	return v;
}

static uint64_t probe_expr_product(struct cursor *c)
{
	uint64_t v = probe_expr_atom(c);

	while (c->status != PROBE_SYNTAX && probe_expr_accept(c, '*'))
		v *= probe_expr_atom(c);
	return v;
}

static uint64_t probe_expr_sum(struct cursor *c)
{
	uint64_t v = probe_expr_product(c);

	while (c->status != PROBE_SYNTAX) {
		if (probe_expr_accept(c, '+'))
			v += probe_expr_product(c);
		else if (probe_expr_accept(c, '-'))
			v -= probe_expr_product(c);
		else
			break;
	}
	return v;
}

enum probe_status probe_expr_eval(const char *text, size_t size,
				  const struct probe_scope *scope, uint64_t *ret)
{
	struct cursor c = { .pos = text, .end = text + size, .scope = scope };
	uint64_t v = probe_expr_sum(&c);

	probe_expr_accept(&c, ' ');
	if (c.pos != c.end)
		probe_expr_fail(&c, PROBE_SYNTAX);
	*ret = c.status == PROBE_OK ? v : 0;
	return c.status;
}
