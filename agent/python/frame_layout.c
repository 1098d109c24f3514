/* SPDX-License-Identifier: MIT */
/* frame_layout - see frame_layout.h. */
#include "agent/python/frame_layout.h"

#include <stddef.h>

#include "agent/python/versions.h"
#include "formats/core/sink.h"

#define NONE FRAME_NONE

/* ---- what a thread state owns ---- */

static const struct tstate_field ts36[] = {
	{ 64, SNAP_ROOT_THREAD, "profile function" },
	{ 72, SNAP_ROOT_THREAD, "trace function" },
	{ 80, SNAP_ROOT_EXCEPTION, "pending exception type" },
	{ 88, SNAP_ROOT_EXCEPTION, "pending exception" },
	{ 96, SNAP_ROOT_EXCEPTION, "pending exception traceback" },
	{ 104, SNAP_ROOT_EXCEPTION, "handled exception type" },
	{ 112, SNAP_ROOT_EXCEPTION, "handled exception" },
	{ 120, SNAP_ROOT_EXCEPTION, "handled exception traceback" },
	{ 128, SNAP_ROOT_THREAD, "dict" },
	{ 144, SNAP_ROOT_EXCEPTION, "asynchronous exception" },
	{ 184, SNAP_ROOT_THREAD, "lock" },
	{ 192, SNAP_ROOT_THREAD, "coroutine wrapper" },
	{ 2256, SNAP_ROOT_THREAD, "async generator firstiter hook" },
	{ 2264, SNAP_ROOT_THREAD, "async generator finalizer hook" },
	{ 0, 0, NULL },
};

static const struct tstate_field ts37[] = {
	{ 72, SNAP_ROOT_THREAD, "profile function" },
	{ 80, SNAP_ROOT_THREAD, "trace function" },
	{ 88, SNAP_ROOT_EXCEPTION, "pending exception type" },
	{ 96, SNAP_ROOT_EXCEPTION, "pending exception" },
	{ 104, SNAP_ROOT_EXCEPTION, "pending exception traceback" },
	{ 112, SNAP_ROOT_EXCEPTION, "handled exception type" },
	{ 120, SNAP_ROOT_EXCEPTION, "handled exception" },
	{ 128, SNAP_ROOT_EXCEPTION, "handled exception traceback" },
	{ 152, SNAP_ROOT_THREAD, "dict" },
	{ 168, SNAP_ROOT_EXCEPTION, "asynchronous exception" },
	{ 208, SNAP_ROOT_THREAD, "lock" },
	{ 224, SNAP_ROOT_THREAD, "coroutine wrapper" },
	{ 240, SNAP_ROOT_THREAD, "async generator firstiter hook" },
	{ 248, SNAP_ROOT_THREAD, "async generator finalizer hook" },
	{ 256, SNAP_ROOT_THREAD, "context" },
	{ 0, 0, NULL },
};

static const struct tstate_field ts38[] = {
	/* 3.8, 3.9, 3.10 */
	{ 72, SNAP_ROOT_THREAD, "profile function" },
	{ 80, SNAP_ROOT_THREAD, "trace function" },
	{ 88, SNAP_ROOT_EXCEPTION, "pending exception type" },
	{ 96, SNAP_ROOT_EXCEPTION, "pending exception" },
	{ 104, SNAP_ROOT_EXCEPTION, "pending exception traceback" },
	{ 112, SNAP_ROOT_EXCEPTION, "handled exception type" },
	{ 120, SNAP_ROOT_EXCEPTION, "handled exception" },
	{ 128, SNAP_ROOT_EXCEPTION, "handled exception traceback" },
	{ 152, SNAP_ROOT_THREAD, "dict" },
	{ 168, SNAP_ROOT_EXCEPTION, "asynchronous exception" },
	{ 208, SNAP_ROOT_THREAD, "lock" },
	{ 224, SNAP_ROOT_THREAD, "async generator firstiter hook" },
	{ 232, SNAP_ROOT_THREAD, "async generator finalizer hook" },
	{ 240, SNAP_ROOT_THREAD, "context" },
	{ 0, 0, NULL },
};

static const struct tstate_field ts311[] = {
	{ 80, SNAP_ROOT_THREAD, "profile function" },
	{ 88, SNAP_ROOT_THREAD, "trace function" },
	{ 96, SNAP_ROOT_EXCEPTION, "pending exception type" },
	{ 104, SNAP_ROOT_EXCEPTION, "pending exception" },
	{ 112, SNAP_ROOT_EXCEPTION, "pending exception traceback" },
	{ 128, SNAP_ROOT_THREAD, "dict" },
	{ 144, SNAP_ROOT_EXCEPTION, "asynchronous exception" },
	{ 192, SNAP_ROOT_THREAD, "lock" },
	{ 208, SNAP_ROOT_THREAD, "async generator firstiter hook" },
	{ 216, SNAP_ROOT_THREAD, "async generator finalizer hook" },
	{ 224, SNAP_ROOT_THREAD, "context" },
	{ 320, SNAP_ROOT_EXCEPTION, "handled exception" },
	{ 0, 0, NULL },
};

static const struct tstate_field ts312[] = {
	{ 80, SNAP_ROOT_THREAD, "profile function" },
	{ 88, SNAP_ROOT_THREAD, "trace function" },
	{ 96, SNAP_ROOT_EXCEPTION, "pending exception" },
	{ 112, SNAP_ROOT_THREAD, "dict" },
	{ 128, SNAP_ROOT_EXCEPTION, "asynchronous exception" },
	{ 176, SNAP_ROOT_THREAD, "lock" },
	{ 192, SNAP_ROOT_THREAD, "async generator firstiter hook" },
	{ 200, SNAP_ROOT_THREAD, "async generator finalizer hook" },
	{ 208, SNAP_ROOT_THREAD, "context" },
	{ 256, SNAP_ROOT_EXCEPTION, "handled exception" },
	{ 0, 0, NULL },
};

#define TS_313(shift, exception, local) \
	{ 96 + (shift), SNAP_ROOT_THREAD, "profile function" }, \
		{ 104 + (shift), SNAP_ROOT_THREAD, "trace function" }, \
		{ 112 + (shift), SNAP_ROOT_EXCEPTION, "pending exception" }, \
		{ 128 + (shift), SNAP_ROOT_THREAD, "dict" }, \
		{ 144 + (shift), SNAP_ROOT_EXCEPTION, "asynchronous exception" }, \
		{ 192 + (shift), SNAP_ROOT_THREAD, "async generator firstiter hook" }, \
		{ 200 + (shift), SNAP_ROOT_THREAD, "async generator finalizer hook" }, \
		{ 208 + (shift), SNAP_ROOT_THREAD, "context" }, \
		{ exception, SNAP_ROOT_EXCEPTION, "handled exception" }, \
		{ local, SNAP_ROOT_THREAD, "threading.local key" }, \
		{ (local) + 8, SNAP_ROOT_THREAD, "threading.local sentinel" }, \
	{ \
		0, 0, NULL \
	}

static const struct tstate_field ts313[] = { TS_313(0, 256, 288) }; /* 3.13, 3.14 */
static const struct tstate_field ts315[] = { TS_313(24, 288, 328) };

/* ---- the rows ---- */

#define TSTATE(frame, cframe, id, native, exc, bytes, fields) \
	.ts_interp = 16, .ts_frame = frame, .ts_cframe_frame = cframe, \
	.ts_thread_id = id, .ts_native_id = native, .ts_exc_info = exc, \
	.ts_size = bytes, .ts_fields = fields

/* 3.6-3.10: the frame is an object. */
#define FRAME_OBJECT(items) \
	.frame_is_object = true, .f_previous = 24, .f_code = 32, .f_func = NONE, \
	.f_locals = 56, .f_object = NONE, .f_owner = NONE, .f_items = items, \
	.fo_back = 24, .fo_frame = NONE, .fo_extra = NONE, .fo_cache = NONE, \
	.fo_overwritten = NONE, .fo_data = NONE, .fo_builtins = 40, .fo_globals = 48, \
	.fo_valuestack = 64

/* 3.11+: the object refers to a struct. */
#define FRAME_STRUCT(extra, cache, over, data) \
	.fo_back = 16, .fo_frame = 24, .fo_trace = 32, .fo_extra = extra, \
	.fo_cache = cache, .fo_overwritten = over, .fo_data = data, .fo_builtins = NONE, \
	.fo_globals = NONE, .fo_valuestack = NONE, .fo_gen = NONE, .fo_excs = NONE, \
	.owner_generator = 1, .owner_object = 2

/* The ints come first, the arguments' number of them: one more of them since 3.8. */
#define CODE_OLD(base, ints, lines_at) \
	.co_argcount = 16, .co_nlocals = ints, .co_stacksize = (ints) + 4, \
	.co_firstlineno = (ints) + 12, .co_filename = (base) + 96, \
	.co_name = (base) + 104, .co_qualname = NONE, .co_lines = lines_at, \
	.co_varnames = (base) + 64, .co_freevars = (base) + 72, \
	.co_cellvars = (base) + 80, .co_names = NONE, .co_kinds = NONE, \
	.co_nplus = NONE, .co_code = NONE

#define CODE_NEW(first, nplus, stack, instructions) \
	.co_firstlineno = first, .co_argcount = (stack)-12, .co_stacksize = stack, \
	.co_nlocals = 80, .co_filename = 112, .co_name = 120, .co_qualname = 128, \
	.co_lines = 136, .co_varnames = NONE, .co_freevars = NONE, .co_cellvars = NONE, \
	.co_names = 96, .co_kinds = 104, .co_nplus = nplus, .co_code = instructions, \
	.lines = LINES_LOCATIONS

#define GENERATOR_OLD(code, exc, origin, finalizer) \
	.g_frame = 16, .g_code = code, .g_name = (code) + 16, .g_qualname = (code) + 24, \
	.g_exc = exc, .exc_words = 3, .g_origin = origin, .g_state = NONE, \
	.ag_finalizer = finalizer

#define GENERATOR_NEW(base, code, finished) \
	.g_frame = (base) + 56, .g_code = code, .g_name = (base) + 8, \
	.g_qualname = (base) + 16, .g_exc = (base) + 24, .exc_words = 1, \
	.g_origin = (base) + 40, .g_state = (base) + 51, .g_finished = finished, \
	.ag_finalizer = NONE

#define FRAME_313 \
	.f_previous = 8, .f_code = 0, .f_func = 16, .f_locals = 40, .f_object = 48, \
	.f_instr = 56, .f_stacktop = 64, .owner_shim = 3

static const struct frame_layout frame_layouts[] = {
	{
		.minor = 6,
		TSTATE(24, NONE, 152, NONE, NONE, 2272, ts36),
		FRAME_OBJECT(376),
		.f_instr = 120,
		.lasti_scale = 1,
		.f_stacktop = 72,
		.stack_pointer = true,
		.fo_trace = 80,
		.fo_gen = 112,
		.fo_excs = 88,
		CODE_OLD(0, 24, 112),
		.lines = LINES_LNOTAB,
		GENERATOR_OLD(32, NONE, NONE, 64),
	},
	{
		.minor = 7,
		TSTATE(24, NONE, 176, NONE, 144, 280, ts37),
		FRAME_OBJECT(360),
		.f_instr = 104,
		.lasti_scale = 1,
		.f_stacktop = 72,
		.stack_pointer = true,
		.fo_trace = 80,
		.fo_gen = 96,
		.fo_excs = NONE,
		CODE_OLD(0, 24, 112),
		.lines = LINES_LNOTAB,
		GENERATOR_OLD(32, 64, 96, 96),
	},
	{
		.minor = 8,
		TSTATE(24, NONE, 176, NONE, 144, 264, ts38),
		FRAME_OBJECT(360),
		.f_instr = 104,
		.lasti_scale = 1,
		.f_stacktop = 72,
		.stack_pointer = true,
		.fo_trace = 80,
		.fo_gen = 96,
		.fo_excs = NONE,
		CODE_OLD(8, 28, 120),
		.lines = LINES_LNOTAB,
		GENERATOR_OLD(32, 64, 96, 96),
	},
	{
		.minor = 9,
		TSTATE(24, NONE, 176, NONE, 144, 264, ts38),
		FRAME_OBJECT(360),
		.f_instr = 104,
		.lasti_scale = 1,
		.f_stacktop = 72,
		.stack_pointer = true,
		.fo_trace = 80,
		.fo_gen = 96,
		.fo_excs = NONE,
		CODE_OLD(8, 28, 120),
		.lines = LINES_LNOTAB,
		GENERATOR_OLD(32, 64, 96, 96),
	},
	{
		.minor = 10,
		TSTATE(24, NONE, 176, NONE, 144, 280, ts38),
		FRAME_OBJECT(352),
		.f_instr = 96,
		.lasti_scale = 2,
		.f_stacktop = 80,
		.stack_depth = true,
		.fo_trace = 72,
		.fo_gen = 88,
		.fo_excs = NONE,
		CODE_OLD(8, 28, 120),
		.lines = LINES_310,
		GENERATOR_OLD(24, 56, 88, 88),
	},
	{
		.minor = 11,
		TSTATE(56, 8, 152, 160, 120, 360, ts311),
		.f_previous = 48,
		.f_code = 32,
		.f_func = 0,
		.f_locals = 24,
		.f_object = 40,
		.f_instr = 56,
		.f_stacktop = 64,
		.f_owner = 69,
		.f_items = 72,
		.owner_shim = 3,
		FRAME_STRUCT(NONE, NONE, NONE, 48),
		CODE_NEW(72, 76, 68, 184),
		GENERATOR_NEW(24, 16, 1),
	},
	{
		.minor = 12,
		TSTATE(56, 0, 136, 144, 104, 288, ts312),
		FRAME_313,
		.f_owner = 70,
		.f_items = 72,
		FRAME_STRUCT(NONE, NONE, NONE, 48),
		CODE_NEW(68, 72, 64, 192),
		GENERATOR_NEW(16, NONE, 1),
	},
	{
		.minor = 13,
		TSTATE(72, NONE, 152, 160, 120, 304, ts313),
		FRAME_313,
		.f_owner = 70,
		.f_items = 72,
		FRAME_STRUCT(48, 56, NONE, 64),
		CODE_NEW(68, 72, 64, 200),
		GENERATOR_NEW(16, NONE, 1),
	},
	{
		.minor = 14,
		TSTATE(72, NONE, 152, 160, 120, 304, ts313),
		FRAME_313,
		.f_owner = 74,
		.f_items = 80,
		.tagged = true,
		.stack_pointer = true,
		FRAME_STRUCT(48, 56, 64, 72),
		CODE_NEW(68, 72, 64, 208),
		GENERATOR_NEW(16, NONE, 0),
	},
	{
		.minor = 15,
		TSTATE(72, NONE, 176, 184, 144, 344, ts315),
		FRAME_313,
		.f_owner = 74,
		.f_items = 80,
		.tagged = true,
		.stack_pointer = true,
		FRAME_STRUCT(48, 56, 64, 72),
		CODE_NEW(68, 72, 64, 208),
		GENERATOR_NEW(16, NONE, 0),
	},
};

/* Builds without a GIL; _PyInterpreterFrame.tlbc_index, co_tlbc. */
#define FREE_THREADED(version) .minor = version, .free_threaded = true, FRAME_313
#define FREE_THREADED_314(version) \
	FREE_THREADED(version), .f_copy = 72, .f_owner = 78, .f_items = 80, \
				.tagged = true, .stack_pointer = true, \
				FRAME_STRUCT(48, 56, 64, 72), .co_copies = 208, \
				CODE_NEW(68, 72, 64, 216), GENERATOR_NEW(16, NONE, 0)

static const struct frame_layout frame_layouts_free_threaded[] = {
	{
		FREE_THREADED(13),
		TSTATE(72, NONE, 152, 160, 120, 304, ts313),
		.ts_state = 40,
		.f_owner = 70,
		.f_items = 72,
		FRAME_STRUCT(48, 56, NONE, 64),
		CODE_NEW(68, 72, 64, 200),
		GENERATOR_NEW(16, NONE, 1),
	},
	{
		FREE_THREADED_314(14),
		.ts_state = 44,
		TSTATE(72, NONE, 152, 160, 120, 304, ts313),
	},
	{
		FREE_THREADED_314(15),
		.ts_state = 48,
		TSTATE(72, NONE, 176, 184, 144, 344, ts315),
	},
};

static const struct frame_layout *frame_layout_find(const struct frame_layout *rows,
						    size_t n, unsigned minor)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].minor == minor)
			return &rows[i];
	return NULL;
}

const struct frame_layout *frame_layout_of(const struct cpython *py)
{
	const unsigned minor = versions_tables(py) >> 8 & 0xff;

	if (py->sym.ft_marker)
		return frame_layout_find(frame_layouts_free_threaded,
					 sizeof(frame_layouts_free_threaded) /
						 sizeof(*frame_layouts_free_threaded),
					 minor);
	return frame_layout_find(frame_layouts,
				 sizeof(frame_layouts) / sizeof(*frame_layouts), minor);
}
