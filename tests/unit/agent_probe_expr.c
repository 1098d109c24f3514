/* SPDX-License-Identifier: MIT */
/* The arithmetic of probes: values, memory, syntax, and that it never faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/heap/extension/probe_expr.h"

struct node {
	uint64_t tag;
	int32_t width, height;
	struct node *child, *next;
	char pad[64];
};

static struct probe_scope scope_of(const void *obj)
{
	struct probe_scope scope = { .obj = (uint64_t)(uintptr_t)obj };

	return scope;
}

static uint64_t value(const char *text, const struct probe_scope *scope)
{
	uint64_t v = 12345;

	assert_int_equal(probe_expr_eval(text, strlen(text), scope, &v), PROBE_OK);
	return v;
}

static void test_arithmetic(void **state)
{
	struct probe_scope scope = {
		.data = 3, .length = 4, .result = 5, .out = { 7, 8, 9, 10 }
	};

	(void)state;
	assert_int_equal(value("1+2*3", &scope), 7);
	assert_int_equal(value(" ( 1 + 2 ) * 3 ", &scope), 9);
	assert_int_equal(value("0x10 - 1", &scope), 15);
	assert_int_equal(value("10-3-2", &scope), 5);
	assert_int_equal(value("data*length+result", &scope), 17);
	assert_int_equal(value("out0+out3", &scope), 17);
}

static void test_memory(void **state)
{
	struct node inner = { .width = -5, .height = 6 },
		    node = { .tag = 0x1122334455667788,
			     .width = 640,
			     .height = 480,
			     .child = &inner };
	struct probe_scope scope = scope_of(&node);

	(void)state;
	assert_int_equal(value("[obj]", &scope), 0x1122334455667788);
	assert_int_equal(value("[obj]:u8", &scope), 0x88);
	assert_int_equal(value("[obj]:u16", &scope), 0x7788);
	assert_int_equal(value("[obj + 8]:i32 * [obj + 12]:u32", &scope), 640 * 480);
	assert_int_equal(value("[[obj + 16] + 8]:i32", &scope), (uint64_t)-5);
}

static void test_unreadable(void **state)
{
	static const char *const texts[] = { "[0]", "[8]:i8", "[[obj + 24]]", "[0-8]",
					     "1 + [16]" };
	struct node node = { .tag = 1 };
	struct probe_scope scope = scope_of(&node);
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		v = 1;
		assert_int_equal(probe_expr_eval(texts[i], strlen(texts[i]), &scope, &v),
				 PROBE_UNREADABLE);
		assert_int_equal(v, 0);
	}
}

static void test_syntax(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"1 +",
		"(1",
		"[1",
		"1)",
		"name",
		"[obj]:u7",
		"12x",
		"0xg",
		"1 2",
		"malloc(",
		"malloc",
		"chunks(1",
		"out4",
		"*",
		"((((((((((((((((((((((((((((((((((1",
	};
	struct node node = { .tag = 1 };
	struct probe_scope scope = scope_of(&node);
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(probe_expr_eval(texts[i], strlen(texts[i]), &scope, &v),
				 PROBE_SYNTAX);
}

#if defined(__SANITIZE_ADDRESS__)
#define FOREIGN_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FOREIGN_MALLOC 1
#endif
#endif
#ifndef FOREIGN_MALLOC
#define FOREIGN_MALLOC 0 /* 1: malloc isn't glibc's, whose chunk heads are read */
#endif

/* chunks() adds up what malloc gave to a tree, each node once. */
static void test_chunks(void **state)
{
	static uint64_t stack[PROBE_STACK];
	struct node *root = calloc(1, sizeof(*root)), *last = root;
	struct probe_scope scope = scope_of(root);
	uint64_t one;

	(void)state;
	if (FOREIGN_MALLOC) {
		free(root);
		skip(); /* gcc does not know that this never returns */
		return;
	}
	scope.stack = stack;
	one = value("malloc(obj)", &scope);
	assert_in_range(one, sizeof(*root), sizeof(*root) + 32);
	for (int i = 0; i < 100; i++) {
		struct node *node = calloc(1, sizeof(*node));

		if (i % 3)
			last->next = node;
		else
			last->child = node;
		last = node;
	}
	assert_int_equal(value("chunks(obj, 16, 24)", &scope), 101 * one);
	last->next = root; /* a circle: each counts once */
	assert_int_equal(value("chunks(obj, 16, 24)", &scope), 101 * one);
	last->next = NULL;
	while (root) {
		struct node *next = root->child ? root->child : root->next;

		free(root);
		root = next;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arithmetic), cmocka_unit_test(test_memory),
		cmocka_unit_test(test_unreadable), cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
