/* SPDX-License-Identifier: MIT */
/* protocol - see protocol.h. */
#include "agent/heap/extension/protocol.h"

#include <string.h>

#include "agent/heap/core/position.h"
#include "agent/heap/core/specialist.h"
#include "agent/heap/extension/native.h"
#include "agent/heap/extension/state.h"
#include "agent/python/call.h"
#include "agent/python/type.h"

enum {
	PROTOCOL_WAITING = 1 << 20, /* objects that may wait for a call */
	PYBUF_FULL_RO = 0x011c,	    /* PyBUF_INDIRECT | PyBUF_FORMAT, Include/object.h */
};

/* Py_buffer (Include/pybuffer.h, object.h before 3.11). */
struct py_buffer {
	uint64_t buf, obj, len, itemsize;
	int32_t readonly, ndim;
	uint64_t format, shape, strides, suboffsets, internal;
};

struct waiting {
	uint64_t obj;
	struct walk_type *type;
};

struct protocol {
	struct waiting *waiting;
	uint32_t count;
};

typedef int getbuffer_fn(uint64_t obj, struct py_buffer *view, int flags);

static void protocol_wait(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct protocol *protocol = w->specialists->protocol;

	if (!protocol->waiting)
		protocol->waiting = arena_map(
			w->arena, PROTOCOL_WAITING * sizeof(*protocol->waiting));
	if (protocol->waiting && protocol->count < PROTOCOL_WAITING)
		protocol->waiting[protocol->count++] = (struct waiting){ obj, type };
}

static uint64_t protocol_getbuffer(const struct walk *w, uint64_t type)
{
	uint64_t procs = peek64(type + w->lay->tp_as_buffer);

	return procs ? peek64(procs) : 0;
}

static void protocol_ask(struct walk *w, const struct waiting *waiting)
{
	uint64_t address = protocol_getbuffer(w, waiting->type->addr);
	struct py_buffer view = { 0 };
	getbuffer_fn *getbuffer;
	uint64_t size;
	uint32_t flags = SNAP_BUFFER_OWNER;

	memcpy(&getbuffer, &address, sizeof(getbuffer));
	position_enter(waiting->obj, waiting->type->name_text);
	if (getbuffer(waiting->obj, &view, PYBUF_FULL_RO) < 0) {
		call_nothing(w->py->sym.err_clear);
		return;
	}
	size = waiting->type->size ? waiting->type->size(w, waiting->type, waiting->obj) :
				     0;
	if (view.obj && view.obj != waiting->obj)
		flags = SNAP_BUFFER_VIEW;
	else if (size >= view.len)
		flags |= SNAP_BUFFER_COUNTED;
	native_emit_buffer(w, waiting->obj, view.buf, view.len,
			   flags & SNAP_BUFFER_VIEW ? view.obj : 0, flags);
}

/* Is bf_getbuffer that of a C type, not a __buffer__ method in Python? */
static bool protocol_in_c(struct walk *w, const struct walk_type *type)
{
	uint64_t fn = protocol_getbuffer(w, type->addr), t = type->addr;

	while (t && type_is_python(w->lay, t))
		t = peek64(t + w->lay->tp_base);
	return fn && t && protocol_getbuffer(w, t) == fn;
}

bool protocol_is_data(struct walk *w, const struct walk_type *type)
{
	return protocol_in_c(w, type) &&
		!(type->specialist && type->specialist->memory == SPECIALIST_STRUCTURE);
}

bool protocol_plan(struct walk *w, struct walk_type *type)
{
	if (!call_possible() || !w->options->in_copy || !protocol_in_c(w, type))
		return false;
	if (!w->specialists->protocol)
		w->specialists->protocol =
			context_alloc(w, sizeof(*w->specialists->protocol));
	if (!w->specialists->protocol)
		return false;
	type->native = protocol_wait;
	return true;
}

void protocol_finish(struct walk *w)
{
	const struct protocol *protocol = w->specialists->protocol;

	if (!protocol || !w->py->sym.err_clear)
		return;
	for (uint32_t i = 0; i < protocol->count && !w->err; i++)
		protocol_ask(w, &protocol->waiting[i]);
	position_enter(0, "");
}
