/* SPDX-License-Identifier: MIT */
/*
 * threads - thread states: names, ids, and what they hold.  See roots.h.
 *
 * The name is the one threading knows (threading._active, a dict of ident to
 * Thread), else the kernel's (/proc/PID/task/TID/comm of the target, since the
 * copy has one thread only).  The kernel's id: from the thread state (3.11+), from
 * Thread._native_id (3.8+), or from glibc's struct pthread, to which the ident
 * points (CPU_PTHREAD_TID), believed only when such a task exists.
 */
#include "agent/heap/roots/threads.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "agent/heap/core/events.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/frames/frames.h"
#include "agent/heap/memory/memory.h"
#include "agent/heap/memory/procfs.h"
#include "agent/heap/object/instances.h"
#include "agent/heap/roots/modules.h"
#include "agent/heap/roots/thread_start.h"
#include "agent/python/call.h"
#include "agent/python/dict.h"
#include "agent/python/integer.h"

enum { THREADS_EXCEPTIONS_MAX = 100000, THREADS_ID_MAX = 1 << 22 };

struct thread_info {
	uint64_t tstate, ident, native;
	uint64_t object; /* the threading.Thread, 0 = none */
	uint32_t name;
	bool main;
};

/* ---- identity ---- */

static uint64_t threads_object(struct walk *w, const struct interp *interp,
			       uint64_t ident)
{
	uint64_t active = modules_value(w, interp, "threading", "_active");
	struct dict_iter iter;
	const uint64_t int_type = CPYTHON_ADDR(w->py, long_type);
	uint64_t key, value, number;

	if (!active || !dict_begin(w->lay, active, &iter))
		return 0;
	while (dict_next(&iter, &key, &value))
		if (integer_u64(w->lay, int_type, key, &number) && number == ident)
			return value;
	return 0;
}

/* Whether TID is a task of the target; its kernel name goes to buf. */
static bool threads_task_name(struct walk *w, uint64_t tid, char *buf, size_t size)
{
	char file[48] = "task/";
	char digits[20];
	size_t n = 0, pos = 5;

	if (!tid || tid > THREADS_ID_MAX)
		return false;
	do
		digits[n++] = (char)('0' + tid % 10);
	while (tid /= 10);
	while (n)
		file[pos++] = digits[--n];
	memcpy(file + pos, "/comm", 6);
	return procfs_read(procfs_target(w->options), file, buf, size) > 0;
}

static uint64_t threads_native_id(struct walk *w, const struct frame_layout *lay,
				  const struct thread_info *info)
{
	char comm[32];
	const uint64_t int_type = CPYTHON_ADDR(w->py, long_type);
	uint64_t id = 0, attr;
	uint32_t tid;

	if (lay->ts_native_id != FRAME_NONE)
		id = peek64(info->tstate + lay->ts_native_id);
	if (id && id < THREADS_ID_MAX)
		return id;
	attr = info->object ? instances_attribute(w, info->object, "_native_id") : 0;
	if (attr && integer_u64(w->lay, int_type, attr, &id))
		return id;
	if (peek_plausible(info->ident) &&
	    peek_safe(info->ident + CPU_PTHREAD_TID, &tid, sizeof(tid)) &&
	    threads_task_name(w, tid, comm, sizeof(comm)))
		return tid;
	return 0;
}

static void threads_identify(struct walk *w, const struct interp *interp,
			     const struct frame_layout *lay, struct thread_info *info)
{
	const uint32_t pid =
		w->options->copy_of ? w->options->copy_of : (uint32_t)getpid();
	uint64_t name;
	char comm[32];

	info->ident = peek64(info->tstate + lay->ts_thread_id);
	info->object = threads_object(w, interp, info->ident);
	info->native = threads_native_id(w, lay, info);
	info->main = info->native && info->native == pid;
	name = info->object ? instances_attribute(w, info->object, "_name") : 0;
	if (name)
		info->name = strings_add_object(w, name);
	if (!info->name && threads_task_name(w, info->native, comm, sizeof(comm)))
		info->name = strings_add_text(w, comm);
	if (info->ident && !info->main)
		memory_note_stack(w, info->ident);
}

/* ---- what it holds ---- */

static bool threads_is_named(const struct frame_layout *lay, uint64_t offset)
{
	for (const struct tstate_field *f = lay->ts_fields; f->name; f++)
		if (f->offset == offset)
			return true;
	return false;
}

/* Is the word known, or owned by the entry of exceptions being handled? */
static bool threads_is_field(const struct frame_layout *lay, uint64_t tstate,
			     uint64_t offset)
{
	uint64_t base = lay->ts_exc_info == FRAME_NONE ?
		0 :
		peek64(tstate + lay->ts_exc_info) - tstate;

	return offset == lay->ts_frame || threads_is_named(lay, offset) ||
		(base && offset >= base && offset < base + 8u * lay->exc_words);
}

static void threads_fields(struct walk *w, const struct frame_layout *lay,
			   uint64_t tstate, uint32_t thread)
{
	for (const struct tstate_field *f = lay->ts_fields; f->name; f++) {
		uint64_t word = peek64(tstate + f->offset);

		if (word && sound_object(w, word))
			events_root(w, f->kind, 0, thread, 0,
				    strings_add_text(w, f->name), word);
	}
	for (uint64_t at = 24; at + 8 <= lay->ts_size && !w->err; at += 8) {
		uint64_t word = peek64(tstate + at);

		if (word && !threads_is_field(lay, tstate, at) &&
		    sound_to_follow(w, word))
			events_root(w, SNAP_ROOT_THREAD, SNAP_ROOT_CONSERVATIVE, thread,
				    0, strings_add_text(w, "thread state"), word);
	}
}

/*
 * The stack of exceptions being handled: entries outside the thread state lie in
 * generators, which own the references.  The one inside is a named field, unless
 * this release has it elsewhere.
 */
static void threads_exceptions(struct walk *w, const struct frame_layout *lay,
			       uint64_t tstate, uint32_t thread)
{
	uint64_t item, value_at = lay->exc_words == 3 ? 8 : 0;
	uint64_t next_at = lay->exc_words == 3 ? 24 : 8;

	if (lay->ts_exc_info == FRAME_NONE)
		return;
	item = peek64(tstate + lay->ts_exc_info);
	for (int n = 0; item && n < THREADS_EXCEPTIONS_MAX; n++) {
		uint64_t value;
		bool inside;

		if (!peek_plausible(item) || !ranges_readable(w, item, next_at + 8))
			return;
		value = peek64(item + value_at);
		inside = item >= tstate && item < tstate + lay->ts_size;
		if (value && sound_object(w, value) &&
		    !(inside && threads_is_named(lay, item + value_at - tstate)))
			events_root(w, SNAP_ROOT_EXCEPTION,
				    inside ? 0 : SNAP_ROOT_BORROWED, thread, 0,
				    strings_add_text(w, "handled exception"), value);
		item = peek64(item + next_at);
	}
}

/* The capture's own thread: attached for the moment, and no thread of the app. */
static bool threads_is_ours(struct walk *w, const struct frame_layout *lay,
			    const struct thread_info *info)
{
	uint64_t frame = peek64(info->tstate + lay->ts_frame);

	if (lay->ts_cframe_frame != FRAME_NONE && frame && ranges_readable(w, frame, 24))
		frame = peek64(frame + lay->ts_cframe_frame);
	return call_possible() && !frame && !info->object &&
		info->ident == (uint64_t)pthread_self();
}

static void threads_emit_one(struct walk *w, const struct interp *interp,
			     const struct frame_layout *lay, uint64_t tstate)
{
	struct thread_info info = { .tstate = tstate };
	struct snap_thread event = { .interpreter = interp->id };

	threads_identify(w, interp, lay, &info);
	if (threads_is_ours(w, lay, &info))
		return;
	event.id = ++w->next_thread;
	event.name = info.name;
	event.native_id = info.native;
	event.ident = info.ident;
	event.flags = info.main ? SNAP_THREAD_MAIN : 0;
	if (tstate == w->options->gil_holder)
		event.flags |= SNAP_THREAD_GIL;
	if (!EVENTS_SEND(w, thread, &event))
		return;
	frames_thread(w, tstate, event.id);
	threads_fields(w, lay, tstate, event.id);
	threads_exceptions(w, lay, tstate, event.id);
	if (!info.main)
		thread_start_emit(w, interp, tstate, info.ident, event.id);
}

void threads_emit(struct walk *w, const struct interp *interp)
{
	const struct frame_layout *lay = w->py->frames;
	const struct interps *interps = w->interps;

	if (!lay || !w->frames)
		return;
	for (uint32_t i = 0; i < interps->tstate_count && !w->err; i++) {
		uint64_t tstate = interps->tstates[i];

		if (ranges_readable(w, tstate, lay->ts_size) &&
		    peek64(tstate + lay->ts_interp) == interp->state)
			threads_emit_one(w, interp, lay, tstate);
	}
}
