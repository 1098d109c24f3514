/* SPDX-License-Identifier: MIT */
/*
 * threads - thread states: names, ids, and what they hold.  See roots.h.
 *
 * The name is the one threading knows (threading._active, a dict of ident to
 * Thread), else the kernel's (/proc/PID/task/TID/comm of the target, since the
 * copy has one thread only).  The kernel's id: from the thread state (3.11+), from
 * Thread._native_id (3.8+), or from glibc's struct pthread, to which the ident
 * points: its tid lies at offset 720 on x86-64 since glibc 2.4 (nptl/descr.h),
 * believed only when such a task exists.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "agent/python/frame_layout.h"
#include "agent/heap/frames/frames.h"
#include "agent/heap/memory/memory.h"
#include "agent/heap/memory/procfs.h"
#include "agent/heap/roots/roots.h"
#include "agent/heap/object/values.h"
#include "agent/heap/core/walk_internal.h"

enum { PTHREAD_TID = 720, EXC_CHAIN_MAX = 100000 };

struct thread_info {
	uint64_t tstate, ident, native;
	uint64_t object; /* the threading.Thread, 0 = none */
	uint32_t name;
	bool main;
};

/* ---- identity ---- */

static uint64_t thread_object(struct walk *w, const struct roots_interp *interp,
			      uint64_t ident)
{
	uint64_t active = roots_module_value(w, interp, "threading", "_active");
	struct walk_dict_iter iter;
	uint64_t key, value, number;

	if (!active || !walk_dict_begin(w, active, &iter))
		return 0;
	while (walk_dict_next(&iter, &key, &value))
		if (values_u64(w, key, &number) && number == ident)
			return value;
	return 0;
}

/* Whether TID is a task of the target; its kernel name goes to buf. */
static bool task_name(struct walk *w, uint64_t tid, char *buf, size_t size)
{
	char file[48] = "task/";
	char digits[20];
	size_t n = 0, pos = 5;

	if (!tid || tid > 1 << 22)
		return false;
	do
		digits[n++] = (char)('0' + tid % 10);
	while (tid /= 10);
	while (n)
		file[pos++] = digits[--n];
	memcpy(file + pos, "/comm", 6);
	return procfs_read(procfs_target(w->options->copy_of), file, buf, size) > 0;
}

static uint64_t native_id(struct walk *w, const struct frame_layout *lay,
			  const struct thread_info *info)
{
	char comm[32];
	uint64_t id = 0, attr;
	uint32_t tid;

	if (lay->ts_native_id != FRAME_NONE)
		id = peek64(info->tstate + lay->ts_native_id);
	if (id && id < 1 << 22)
		return id;
	attr = info->object ? walk_attr(w, info->object, "_native_id") : 0;
	if (attr && values_u64(w, attr, &id))
		return id;
#ifdef __x86_64__
	if (peek_plausible(info->ident) &&
	    peek_safe(info->ident + PTHREAD_TID, &tid, sizeof(tid)) &&
	    task_name(w, tid, comm, sizeof(comm)))
		return tid;
#endif
	return 0;
}

static void identify(struct walk *w, const struct roots_interp *interp,
		     const struct frame_layout *lay, struct thread_info *info)
{
	uint32_t pid = procfs_target(w->options->copy_of);
	uint64_t name;
	char comm[32];

	info->ident = peek64(info->tstate + lay->ts_thread_id);
	info->object = thread_object(w, interp, info->ident);
	info->native = native_id(w, lay, info);
	info->main = info->native && info->native == (pid ? pid : (uint32_t)getpid());
	name = info->object ? walk_attr(w, info->object, "_name") : 0;
	if (name)
		info->name = walk_string_of(w, name);
	if (!info->name && task_name(w, info->native, comm, sizeof(comm)))
		info->name = walk_cstring(w, comm);
	if (info->ident && !info->main)
		memory_note_stack(w, info->ident);
}

/* ---- what it holds ---- */

static bool is_named(const struct frame_layout *lay, uint64_t offset)
{
	for (const struct tstate_field *f = lay->ts_fields; f->name; f++)
		if (f->offset == offset)
			return true;
	return false;
}

/* Is the word known, or owned by the entry of exceptions being handled? */
static bool is_field(const struct frame_layout *lay, uint64_t tstate, uint64_t offset)
{
	uint64_t base = lay->ts_exc_info == FRAME_NONE ?
		0 :
		peek64(tstate + lay->ts_exc_info) - tstate;

	return offset == lay->ts_frame || is_named(lay, offset) ||
		(base && offset >= base && offset < base + 8u * lay->exc_words);
}

static void thread_fields(struct walk *w, const struct frame_layout *lay, uint64_t tstate,
			  uint32_t thread)
{
	for (const struct tstate_field *f = lay->ts_fields; f->name; f++) {
		uint64_t word = peek64(tstate + f->offset);

		if (word && walk_is_object(w, word))
			walk_root(w, f->kind, 0, thread, 0, walk_cstring(w, f->name),
				  word);
	}
	for (uint64_t at = 24; at + 8 <= lay->ts_size && !w->err; at += 8) {
		uint64_t word = peek64(tstate + at);

		if (word && !is_field(lay, tstate, at) && walk_is_object(w, word))
			walk_root(w, SNAP_ROOT_THREAD, SNAP_ROOT_CONSERVATIVE, thread, 0,
				  walk_cstring(w, "thread state"), word);
	}
}

/*
 * The stack of exceptions being handled: entries outside the thread state lie in
 * generators, which own the references.  The one inside is a named field, unless
 * this release has it elsewhere.
 */
static void handled_exceptions(struct walk *w, const struct frame_layout *lay,
			       uint64_t tstate, uint32_t thread)
{
	uint64_t item, value_at = lay->exc_words == 3 ? 8 : 0;
	uint64_t next_at = lay->exc_words == 3 ? 24 : 8;

	if (lay->ts_exc_info == FRAME_NONE)
		return;
	item = peek64(tstate + lay->ts_exc_info);
	for (int n = 0; item && n < EXC_CHAIN_MAX; n++) {
		uint64_t value;
		bool inside;

		if (!peek_plausible(item) || !walk_readable(w, item, next_at + 8))
			return;
		value = peek64(item + value_at);
		inside = item >= tstate && item < tstate + lay->ts_size;
		if (value && walk_is_object(w, value) &&
		    !(inside && is_named(lay, item + value_at - tstate)))
			walk_root(w, SNAP_ROOT_EXCEPTION, inside ? 0 : SNAP_ROOT_BORROWED,
				  thread, 0, walk_cstring(w, "handled exception"), value);
		item = peek64(item + next_at);
	}
}

/* The capture's own thread: attached for the moment, and no thread of the app. */
static bool is_ours(struct walk *w, const struct frame_layout *lay,
		    const struct thread_info *info)
{
	uint64_t frame = peek64(info->tstate + lay->ts_frame);

	if (lay->ts_cframe_frame != FRAME_NONE && frame && walk_readable(w, frame, 24))
		frame = peek64(frame + lay->ts_cframe_frame);
	return !frame && !info->object && info->ident == (uint64_t)pthread_self();
}

static void emit_thread(struct walk *w, const struct roots_interp *interp,
			const struct frame_layout *lay, uint64_t tstate)
{
	struct thread_info info = { .tstate = tstate };
	struct snap_thread event = { .interpreter = interp->id };

	identify(w, interp, lay, &info);
	if (is_ours(w, lay, &info))
		return;
	event.id = ++w->next_thread;
	event.name = info.name;
	event.native_id = info.native;
	event.ident = info.ident;
	event.flags = info.main ? SNAP_THREAD_MAIN : 0;
	if (tstate == w->options->gil_holder)
		event.flags |= SNAP_THREAD_GIL;
	if (!WALK_SEND(w, thread, &event))
		return;
	frames_thread(w, tstate, event.id);
	thread_fields(w, lay, tstate, event.id);
	handled_exceptions(w, lay, tstate, event.id);
}

void roots_threads(struct walk *w, const struct roots_interp *interp)
{
	const struct frame_layout *lay = frame_layout_of(w->py);
	const struct roots *roots = w->roots;

	if (!lay || !w->frames)
		return;
	for (uint32_t i = 0; i < roots->tstate_count && !w->err; i++) {
		uint64_t tstate = roots->tstates[i];

		if (walk_readable(w, tstate, lay->ts_size) &&
		    peek64(tstate + lay->ts_interp) == interp->state)
			emit_thread(w, interp, lay, tstate);
	}
}
