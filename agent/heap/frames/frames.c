/* SPDX-License-Identifier: MIT */
/* frames - see frames.h. */
#include "agent/heap/frames/frames.h"

#include "agent/heap/core/events.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/strings.h"

enum { FRAMES_MAX = 1 << 22 }; /* a longer chain is a broken one */

#define FRAMES_NOWHERE INT64_MAX /* an instruction that isn't known */

bool frames_begin(struct walk *w)
{
	struct frames *frames;

	if (w->frames)
		return true;
	frames = arena_alloc(w->arena, sizeof(*frames));
	if (!frames)
		return false;
	frames->lay = w->py->frames;
	if (!frames->lay)
		return false;
	frames->extra = object_extra(w->lay);
	w->frames = frames;
	return true;
}

bool frames_is_code(struct walk *w, uint64_t addr)
{
	return peek_plausible(addr) && ranges_readable(w, addr, 136) &&
		object_type(w->lay, addr) == CPYTHON_ADDR(w->py, code_type);
}

/* ---- code: its variables ---- */

static uint64_t frames_tuple_size(const struct walk *w, uint64_t tuple)
{
	return tuple ? peek64(tuple + w->lay->head) : 0;
}

/* 3.11+: one tuple of names, one byte of kind each. */
static void frames_variables_new(struct walk *w, struct frame_code *info)
{
	const struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	uint64_t base = info->code + frames->extra;
	uint64_t names = peek64(base + lay->co_names),
		 kinds = peek64(base + lay->co_kinds);
	uint32_t n = peek32(base + lay->co_nplus);

	if (n > frames_tuple_size(w, names) || n > frames_tuple_size(w, kinds))
		n = 0;
	info->count = n;
	info->labels = arena_alloc(w->arena, (n + 1) * sizeof(*info->labels));
	if (!info->labels)
		info->count = 0;
	for (uint32_t i = 0; i < info->count; i++) {
		uint8_t kind = peek8(kinds + w->lay->bytes_data + i);

		info->labels[i].kind = kind & (FRAME_KIND_CELL | FRAME_KIND_FREE) ?
			SNAP_LABEL_CELL :
			SNAP_LABEL_LOCAL;
		info->labels[i].name =
			strings_add_object(w, object_tuple_item(w->lay, names, i));
	}
}

/* 3.6-3.10: locals, cells, free variables, each with a tuple of names. */
static void frames_variables_old(struct walk *w, struct frame_code *info)
{
	const struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	uint64_t base = info->code + frames->extra;
	const struct {
		uint64_t tuple;
		uint8_t kind;
	} parts[3] = {
		{ peek64(base + lay->co_varnames), SNAP_LABEL_LOCAL },
		{ peek64(base + lay->co_cellvars), SNAP_LABEL_CELL },
		{ peek64(base + lay->co_freevars), SNAP_LABEL_CELL },
	};
	uint64_t total = 0, at = 0;

	for (int part = 0; part < 3; part++)
		total += frames_tuple_size(w, parts[part].tuple);
	if (total > 1 << 20)
		return;
	info->labels = arena_alloc(w->arena, (total + 1) * sizeof(*info->labels));
	if (!info->labels)
		return;
	info->count = (uint32_t)total;
	for (int part = 0; part < 3; part++)
		for (uint64_t i = 0; i < frames_tuple_size(w, parts[part].tuple);
		     i++, at++) {
			info->labels[at].kind = parts[part].kind;
			info->labels[at].name = strings_add_object(
				w, object_tuple_item(w->lay, parts[part].tuple, i));
		}
}

struct frame_code *frames_code(struct walk *w, uint64_t code)
{
	struct frames *frames = w->frames;
	struct frame_code **slot = &frames->codes[code >> 4 & (FRAMES_CODES - 1)];
	struct frame_code *info = *slot;

	while (info && info->code != code)
		info = info->next;
	if (info)
		return info;
	info = arena_alloc(w->arena, sizeof(*info));
	if (!info)
		return &frames->none;
	info->code = code;
	info->stacksize = peek32(code + frames->extra + frames->lay->co_stacksize);
	if (info->stacksize > 1 << 16)
		info->stacksize = 0;
	if (frames->lay->co_names != FRAME_NONE)
		frames_variables_new(w, info);
	else
		frames_variables_old(w, info);
	info->next = *slot;
	*slot = info;
	return info;
}

/*
 * Without a GIL, 3.14+: where the frame's copy of the instructions begins
 * (Include/cpython/code.h, _PyCodeArray); 0: unknown.
 */
static uint64_t frames_instructions(struct walk *w, uint64_t frame, uint64_t base)
{
	const struct frame_layout *lay = w->frames->lay;
	const uint64_t array = peek64(base + lay->co_copies);
	const uint32_t index = peek32(frame + lay->f_copy);

	if (!peek_plausible(array) || !ranges_readable(w, array, 8) ||
	    index >= peek64(array) || !ranges_readable(w, array + 8, 8ull * index + 8))
		return 0;
	return peek64(array + 8 + 8ull * index);
}

/* The instruction a frame struct (3.11+) or frame object (<= 3.10) is at, as an offset
 * into its code: below 0 not begun, FRAMES_NOWHERE unknown. */
static int64_t frames_instruction(struct walk *w, uint64_t frame, uint64_t code)
{
	const struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	uint64_t base = code + frames->extra, start;
	int64_t at;

	if (lay->lasti_scale) {
		at = (int32_t)peek32(frame + frames->extra + lay->f_instr);
		return at * lay->lasti_scale;
	}
	start = lay->co_copies ? frames_instructions(w, frame, base) :
				 base + lay->co_code;
	at = (int64_t)(peek64(frame + lay->f_instr) - start);
	return at < -2 || at > 2 * (int64_t)frames_tuple_size(w, code) ? FRAMES_NOWHERE :
									 at;
}

/* The line of an instruction of a code object, 0 = unknown. */
static uint32_t frames_line(struct walk *w, uint64_t code, int64_t at)
{
	const struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	uint64_t base = code + frames->extra, table = peek64(base + lay->co_lines);
	uint32_t first = peek32(base + lay->co_firstlineno);
	uint64_t size = frames_tuple_size(w, table);

	if (!table || object_type(w->lay, table) != CPYTHON_ADDR(w->py, bytes_type))
		return first;
	if (at == FRAMES_NOWHERE)
		return 0;
	return lines_lookup(
		lay->lines,
		(const unsigned char *)peek_bytes(table + w->lay->bytes_data, size), size,
		first, at);
}

/* Thousands of tasks wait at one line: the last that was looked up is remembered. */
void frames_tell_line(struct walk *w, uint64_t object, uint32_t call, uint64_t frame,
		      struct frame_code *info)
{
	const struct frames *frames = w->frames;
	int64_t at = frames_instruction(w, frame, info->code);
	struct snap_line event = { .object = object, .call = call };

	if (info == &frames->none)
		return;
	if (!info->file || at != info->at) {
		info->at = at;
		info->line = frames_line(w, info->code, at);
		info->file = strings_add_object(
			w, peek64(info->code + frames->extra + frames->lay->co_filename));
	}
	event.file = info->file;
	event.line = info->line;
	EVENTS_SEND(w, line, &event);
}

/* ---- the frame struct ---- */

static uint64_t frames_untag(const struct frame_layout *lay, uint64_t word)
{
	if (!lay->tagged)
		return word;
	return (word & 3) == 3 ? 0 : word & ~3ull;
}

/* A reference in a frame that is tagged as not counted. */
static bool frames_uncounted(const struct frame_layout *lay, uint64_t word)
{
	return lay->tagged && (word & 1);
}

uint64_t frames_reference(struct walk *w, uint64_t addr)
{
	const struct frames *frames = w->frames;

	return frames_untag(frames->lay, peek64(addr));
}

uint64_t frames_frame_code(struct walk *w, uint64_t frame)
{
	const struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	uint64_t shift = lay->frame_is_object ? frames->extra : 0;
	uint64_t code = frames_untag(lay, peek64(frame + shift + lay->f_code));

	if (lay->f_owner != FRAME_NONE && peek8(frame + lay->f_owner) >= lay->owner_shim)
		return 0;
	return frames_is_code(w, code) ? code : 0;
}

uint64_t frames_items(struct walk *w, uint64_t frame)
{
	const struct frames *frames = w->frames;

	return frame + frames->lay->f_items +
		(frames->lay->frame_is_object ? frames->extra : 0);
}

bool frames_stack_depth(struct walk *w, uint64_t frame, const struct frame_code *info,
			uint32_t *ret)
{
	const struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	uint64_t shift = lay->frame_is_object ? frames->extra : 0;
	uint64_t word = peek64(frame + shift + lay->f_stacktop);
	uint64_t base = frames_items(w, frame) + 8ull * info->count;
	int64_t depth;

	if (lay->stack_pointer)
		depth = word ? (int64_t)(word - base) / 8 : -1;
	else if (lay->stack_depth)
		depth = (int32_t)word;
	else
		depth = (int32_t)word - (int64_t)info->count;
	if (depth < 0 || depth > (int64_t)info->stacksize + 1)
		return false;
	*ret = (uint32_t)depth;
	return true;
}

/* ---- a running frame's roots ---- */

struct running {
	uint64_t frame, code;
	const struct frame_code *info;
	uint32_t thread, id;
	uint8_t flags; /* of the variables' roots */
};

static void frames_root_word(struct walk *w, const struct running *run, uint8_t kind,
			     uint8_t flags, uint32_t name, uint64_t word)
{
	const struct frames *frames = w->frames;

	if (frames_uncounted(frames->lay, word))
		flags |= SNAP_ROOT_BORROWED;
	events_root(w, kind, flags, run->thread, run->id, name,
		    frames_untag(frames->lay, word));
}

static void frames_root_field(struct walk *w, const struct running *run, uint16_t offset,
			      const char *name)
{
	if (offset != FRAME_NONE)
		frames_root_word(w, run, SNAP_ROOT_FRAME, 0, strings_add_text(w, name),
				 peek64(run->frame + offset));
}

static void frames_root_variables(struct walk *w, const struct running *run)
{
	uint64_t items = frames_items(w, run->frame);

	for (uint32_t i = 0; i < run->info->count; i++)
		frames_root_word(w, run, SNAP_ROOT_LOCAL, run->flags,
				 run->info->labels[i].name, peek64(items + 8ull * i));
}

static void frames_root_stack(struct walk *w, const struct running *run)
{
	const struct frames *frames = w->frames;
	uint64_t stack = frames_items(w, run->frame) + 8ull * run->info->count;
	uint32_t depth, name = 0;

	if (frames_stack_depth(w, run->frame, run->info, &depth)) {
		for (uint32_t i = 0; i < depth; i++)
			frames_root_word(w, run, SNAP_ROOT_STACK, run->flags, name,
					 peek64(stack + 8ull * i));
		return;
	}
	if (!ranges_readable(w, stack, 8ull * run->info->stacksize))
		return;
	for (uint32_t i = 0; i < run->info->stacksize; i++) {
		uint64_t word = peek64(stack + 8ull * i),
			 target = frames_untag(frames->lay, word);

		if (target && sound_object(w, target))
			frames_root_word(w, run, SNAP_ROOT_STACK, SNAP_ROOT_CONSERVATIVE,
					 name, word);
	}
}

/* What the struct of a frame on the data stack holds besides its variables. */
static void frames_root_specials(struct walk *w, const struct running *run)
{
	const struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	bool generator = lay->f_owner != FRAME_NONE &&
		peek8(run->frame + lay->f_owner) == lay->owner_generator;

	if (lay->frame_is_object) {
		uint64_t gen = peek64(run->frame + frames->extra + lay->fo_gen);

		events_root(w, SNAP_ROOT_FRAME, gen ? SNAP_ROOT_BORROWED : 0, run->thread,
			    run->id, strings_add_text(w, "frame"), run->frame);
	} else if (!generator) {
		frames_root_field(w, run, lay->f_code, "code");
		frames_root_field(w, run, lay->f_func, "function");
		frames_root_field(w, run, lay->f_locals, "f_locals");
		frames_root_field(w, run, lay->f_object, "frame");
	}
}

static void frames_emit(struct walk *w, const struct running *run, uint32_t depth)
{
	const struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	uint64_t base = run->code + frames->extra;
	uint16_t name = lay->co_qualname != FRAME_NONE ? lay->co_qualname : lay->co_name;
	struct snap_frame event = {
		.id = run->id,
		.thread = run->thread,
		.depth = depth,
		.code = run->code,
		.function = strings_add_object(w, peek64(base + name)),
		.file = strings_add_object(w, peek64(base + lay->co_filename)),
		.line = frames_line(w, run->code,
				    frames_instruction(w, run->frame, run->code)),
		.object = lay->frame_is_object ? run->frame :
						 peek64(run->frame + lay->f_object),
	};

	EVENTS_SEND(w, frame, &event);
}

static uint8_t frames_variable_flags(struct walk *w, uint64_t frame)
{
	const struct frame_layout *lay = w->frames->lay;

	if (lay->frame_is_object)
		return SNAP_ROOT_BORROWED;
	return peek8(frame + lay->f_owner) != 0 ? SNAP_ROOT_BORROWED : 0;
}

static uint64_t frames_first(struct walk *w, uint64_t tstate)
{
	const struct frame_layout *lay = w->frames->lay;
	uint64_t frame = peek64(tstate + lay->ts_frame);

	if (frame && lay->ts_cframe_frame != FRAME_NONE)
		frame = ranges_readable(w, frame, 24) ?
			peek64(frame + lay->ts_cframe_frame) :
			0;
	return frame;
}

/*
 * 3.12+: a frame between the caller and an __init__, which drops its result.  It has
 * no function (None), and no traceback shows it; what it holds is the thread's.
 */
static bool frames_is_trampoline(struct walk *w, uint64_t frame)
{
	const struct frame_layout *lay = w->frames->lay;

	return lay->f_func != FRAME_NONE &&
		frames_reference(w, frame + lay->f_func) == CPYTHON_ADDR(w->py, none);
}

uint32_t frames_thread(struct walk *w, uint64_t tstate, uint32_t thread)
{
	const struct frames *frames = w->frames;
	const struct frame_layout *lay = frames->lay;
	uint64_t shift = lay->frame_is_object ? frames->extra : 0;
	uint64_t frame = frames_first(w, tstate);
	uint32_t depth = 0;

	for (uint32_t n = 0; frame && n < FRAMES_MAX && !w->err; n++) {
		struct running run = { .frame = frame, .thread = thread };

		if (!ranges_readable(w, frame, lay->f_items + shift)) {
			events_error(w, frame, NULL, "a frame lies in unreadable memory");
			break;
		}
		run.code = frames_frame_code(w, frame);
		if (run.code) {
			run.info = frames_code(w, run.code);
			run.flags = frames_variable_flags(w, frame);
			if (!frames_is_trampoline(w, frame)) {
				run.id = ++w->next_frame;
				frames_emit(w, &run, depth++);
			}
			frames_root_specials(w, &run);
			frames_root_variables(w, &run);
			frames_root_stack(w, &run);
		}
		frame = peek64(frame + shift + lay->f_previous);
	}
	return depth;
}
