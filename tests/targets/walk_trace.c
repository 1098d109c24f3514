/* SPDX-License-Identifier: MIT */
/* walk_trace - see walk_trace.h.  No malloc: it runs in copies of processes. */
#include "walk_trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int walk_trace_flush(struct walk_trace *trace)
{
	size_t done = 0;

	while (done < trace->used && !trace->error) {
		ssize_t n = write(trace->fd, trace->buf + done, trace->used - done);

		if (n < 0)
			trace->error = -errno;
		else
			done += (size_t)n;
	}
	trace->used = 0;
	return trace->error;
}

static char *room(struct walk_trace *trace, size_t size)
{
	if (trace->used + size > sizeof(trace->buf))
		walk_trace_flush(trace);
	return trace->buf + trace->used;
}

__attribute__((format(printf, 2, 3))) static int put(struct snap_sink *sink,
						     const char *format, ...)
{
	struct walk_trace *trace = (struct walk_trace *)sink;
	char *at = room(trace, 512);
	va_list args;

	va_start(args, format);
	trace->used += (size_t)vsnprintf(at, 512, format, args);
	va_end(args);
	return trace->error;
}

static int put_hex(struct snap_sink *sink, const char *text, size_t size)
{
	struct walk_trace *trace = (struct walk_trace *)sink;

	for (size_t i = 0; i < size; i++) {
		char *at = room(trace, 2);

		at[0] = "0123456789abcdef"[(unsigned char)text[i] >> 4];
		at[1] = "0123456789abcdef"[(unsigned char)text[i] & 15];
		trace->used += 2;
	}
	return put(sink, "\n");
}

static int on_string(struct snap_sink *s, uint32_t id, const char *text, size_t size)
{
	put(s, "S %u ", id);
	return put_hex(s, text, size);
}

static int on_type(struct snap_sink *s, const struct snap_type *t)
{
	return put(s, "T %u %u %lx %u %u %lu %lu\n", t->id, t->name,
		   (unsigned long)t->addr, t->flags, t->kind, (unsigned long)t->basicsize,
		   (unsigned long)t->itemsize);
}

static int on_shape(struct snap_sink *s, const struct snap_shape *h)
{
	put(s, "H %u %u", h->id, h->tail);
	for (uint32_t i = 0; i < h->nfixed; i++)
		put(s, " %u:%u", h->fixed[i].kind, h->fixed[i].name);
	return put(s, "\n");
}

static int on_object(struct snap_sink *s, const struct snap_object *o)
{
	put(s, "O %lx %u %u %u %lu %lu", (unsigned long)o->addr, o->type, o->shape,
	    o->flags, (unsigned long)o->size, (unsigned long)o->refcount);
	for (uint32_t i = 0; i < o->nrefs; i++)
		put(s, " %lx", (unsigned long)o->refs[i]);
	return put(s, "\n");
}

static int on_value(struct snap_sink *s, const struct snap_value *v)
{
	put(s, "V %lx %u %lu %lx ", (unsigned long)v->addr, v->kind,
	    (unsigned long)v->length, (unsigned long)v->hash);
	return put_hex(s, v->text, v->size);
}

static int on_thread(struct snap_sink *s, const struct snap_thread *t)
{
	return put(s, "N %u %u %lu %lu %lu %u\n", t->id, t->name,
		   (unsigned long)t->native_id, (unsigned long)t->ident,
		   (unsigned long)t->interpreter, t->flags);
}

static int on_frame(struct snap_sink *s, const struct snap_frame *f)
{
	return put(s, "F %u %u %u %u %u %u %lx %lx\n", f->id, f->thread, f->depth,
		   f->function, f->file, f->line, (unsigned long)f->code,
		   (unsigned long)f->object);
}

static int on_root(struct snap_sink *s, const struct snap_root *r)
{
	return put(s, "R %u %u %u %u %u %lx\n", r->kind, r->flags, r->thread, r->frame,
		   r->name, (unsigned long)r->target);
}

static int on_buffer(struct snap_sink *s, const struct snap_buffer *b)
{
	return put(s, "B %lx %lx %lu %lx %u %u %lu %lu\n", (unsigned long)b->object,
		   (unsigned long)b->data, (unsigned long)b->length,
		   (unsigned long)b->owner, b->source, b->flags, (unsigned long)b->chunks,
		   (unsigned long)b->sharers);
}

static int on_chunks(struct snap_sink *s, const struct snap_chunks *c)
{
	return put(s, "U %u %u %lu %lu %lu %lx\n", c->name, c->holder,
		   (unsigned long)c->size, (unsigned long)c->count,
		   (unsigned long)c->bytes, (unsigned long)c->example);
}

static int on_size_check(struct snap_sink *s, const struct snap_size_check *c)
{
	return put(s, "C %u %lu %lu %lu %lu\n", c->type, (unsigned long)c->checked,
		   (unsigned long)c->mismatched, (unsigned long)c->ours,
		   (unsigned long)c->theirs);
}

static int on_map(struct snap_sink *s, const struct snap_map *m)
{
	return put(s, "M %lx %lx %u %u %u %lu %lu %lu %lu %lu %lu\n",
		   (unsigned long)m->start, (unsigned long)m->end, m->name, m->class_,
		   m->perms, (unsigned long)m->rss, (unsigned long)m->pss,
		   (unsigned long)m->private_dirty, (unsigned long)m->anonymous,
		   (unsigned long)m->live, (unsigned long)m->object_bytes);
}

static int on_error(struct snap_sink *s, const struct snap_error *e)
{
	return put(s, "E %lx %u %u\n", (unsigned long)e->addr, e->type, e->text);
}

static int on_fact(struct snap_sink *s, const struct snap_fact *f)
{
	put(s, "K %s ", f->key);
	if (f->kind == SNAP_FACT_TEXT)
		return put_hex(s, f->text, f->size);
	return put(s, "%lu\n", (unsigned long)f->u64);
}

static int on_end(struct snap_sink *s)
{
	return walk_trace_flush((struct walk_trace *)s);
}

static const struct snap_sink_ops trace_ops = {
	.fact = on_fact,
	.string = on_string,
	.type = on_type,
	.shape = on_shape,
	.object = on_object,
	.value = on_value,
	.thread = on_thread,
	.frame = on_frame,
	.root = on_root,
	.map = on_map,
	.buffer = on_buffer,
	.chunks = on_chunks,
	.size_check = on_size_check,
	.error = on_error,
	.end = on_end,
};

void walk_trace_init(struct walk_trace *trace, int fd)
{
	trace->sink.ops = &trace_ops;
	trace->fd = fd;
	trace->used = 0;
	trace->error = 0;
}
