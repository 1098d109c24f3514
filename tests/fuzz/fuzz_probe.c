/* SPDX-License-Identifier: MIT */
/*
 * fuzz_probe - what the agent parses: expressions of probes over an image of memory made
 * of the same bytes, line tables of code objects.  The first byte chooses; for an
 * expression the second says how long the text is.
 */
#include "agent/base/peek_image.h"
#include "agent/heap/extension/probe_expr.h"
#include "agent/python/lines.h"
#include "fuzz.h"

enum { BASE = 0x10000, MEMORY = 4096 };

static void evaluate(struct fuzz_input *in)
{
	static unsigned char memory[MEMORY] __attribute__((aligned(16)));
	static uint64_t stack[PROBE_STACK];
	const struct peek_segment segment = { BASE, MEMORY, memory };
	struct probe_scope scope = { .obj = BASE,
				     .data = BASE + 64,
				     .length = MEMORY,
				     .stack = fuzz_take(in, 1) & 1 ? stack : NULL };
	const size_t size = fuzz_take(in, 1);
	char *const text = fuzz_text(in, size);
	uint64_t v = 1;

	memset(memory, 0, sizeof(memory));
	memcpy(memory, in->data, in->left < MEMORY ? in->left : MEMORY);
	peek_image_set(&segment, 1);
	const enum probe_status status = probe_expr_eval(text, strlen(text), &scope, &v);
	fuzz_expect(status == PROBE_OK || v == 0);
	fuzz_expect(peek_image_missing() == 0);
	free(text);
}

static void look_up_lines(struct fuzz_input *in)
{
	const enum line_format format = fuzz_take(in, 1) % 3;
	const int64_t at = (int64_t)fuzz_take(in, 4) - 16;

	lines_lookup(format, in->data, in->left, 10, at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };

	if (fuzz_take(&in, 1) & 1)
		evaluate(&in);
	else
		look_up_lines(&in);
	return 0;
}
