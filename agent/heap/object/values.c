/* SPDX-License-Identifier: MIT */
/* values - see values.h */
#include "agent/heap/object/values.h"

#include <string.h>

#include "agent/python/frame_layout.h"
#include "agent/heap/object/hash.h"
#include "agent/heap/core/walk_internal.h"

struct values {
	const struct frame_layout *frame;
	uint64_t seed;
	uint32_t limit;	     /* characters */
	bool text;	     /* previews wanted */
	uint32_t ascii_mask; /* bits of the str state word: compact and ASCII */
	char buf[4 * SNAP_PREVIEW_MAX + 16];
};

static void send(struct walk *w, uint64_t obj, uint8_t kind, uint64_t length,
		 uint64_t hash, const char *text, uint32_t size)
{
	struct snap_value value = {
		.addr = obj,
		.kind = kind,
		.length = length,
		.hash = hash,
		.size = size,
		.text = text,
	};

	WALK_SEND(w, value, &value);
}

/* ---- str ---- */

static bool is_identifier(const char *text, uint64_t size)
{
	if (size == 0 || size > 64 || (text[0] >= '0' && text[0] <= '9'))
		return false;
	for (uint64_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		unsigned char letter = c | 32;

		if (!((letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') ||
		      c == '_'))
			return false;
	}
	return true;
}

static void send_ascii(struct walk *w, uint64_t obj, const char *text, uint64_t length,
		       uint32_t state)
{
	struct values *values = w->values;
	uint32_t interned = state & ((1u << w->lay->str_intern_bits) - 1);

	if (values->text && length <= values->limit)
		send(w, obj, SNAP_VALUE_STR, length, 0, text, (uint32_t)length);
	else if (values->text)
		send(w, obj, SNAP_VALUE_STR, length,
		     heap_hash(values->seed, text, length), text, values->limit);
	else if (interned && is_identifier(text, length))
		send(w, obj, SNAP_VALUE_STR, length, 0, text, (uint32_t)length);
	else
		send(w, obj, SNAP_VALUE_STR, length,
		     heap_hash(values->seed, text, length), NULL, 0);
}

/* Up to `count` characters of 1, 2 or 4 bytes as (W)UTF-8; returns the bytes. */
static uint32_t encode(char *out, uint64_t data, uint32_t kind, uint64_t count)
{
	char *p = out;

	for (uint64_t i = 0; i < count; i++) {
		uint32_t c = kind == 1 ? peek8(data + i) :
			kind == 2      ? peek16(data + 2 * i) :
					 peek32(data + 4 * i);

		if (c < 0x80) {
			*p++ = (char)c;
		} else if (c < 0x800) {
			*p++ = (char)(0xc0 | c >> 6);
			*p++ = (char)(0x80 | (c & 63));
		} else if (c < 0x10000) {
			*p++ = (char)(0xe0 | c >> 12);
			*p++ = (char)(0x80 | (c >> 6 & 63));
			*p++ = (char)(0x80 | (c & 63));
		} else {
			*p++ = (char)(0xf0 | (c >> 18 & 7));
			*p++ = (char)(0x80 | (c >> 12 & 63));
			*p++ = (char)(0x80 | (c >> 6 & 63));
			*p++ = (char)(0x80 | (c & 63));
		}
	}
	return (uint32_t)(p - out);
}

static void value_str_other(struct walk *w, uint64_t obj, uint32_t state)
{
	struct values *values = w->values;
	uint64_t length, data, shown, hash = 0;
	uint32_t kind, size = 0;

	if (!walk_str_data(w, obj, &length, &kind, &data))
		return;
	if (kind == 1 && state >> w->lay->str_ascii_bit & 1) {
		send_ascii(w, obj, peek_ptr(data), length, state);
		return;
	}
	shown = !values->text ? 0 : length < values->limit ? length : values->limit;
	if (shown)
		size = encode(values->buf, data, kind, shown);
	if (shown < length)
		hash = heap_hash(values->seed + kind, peek_ptr(data), length * kind);
	send(w, obj, SNAP_VALUE_STR, length, hash, values->buf, size);
}

static void value_str(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct values *values = w->values;
	uint32_t state = peek32(obj + w->lay->str_state);

	(void)type;
	if ((state & values->ascii_mask) == values->ascii_mask)
		send_ascii(w, obj, peek_ptr(obj + w->lay->str_ascii_size),
			   peek64(obj + w->lay->str_length), state);
	else
		value_str_other(w, obj, state);
}

/* ---- bytes, bytearray ---- */

static void send_bytes(struct walk *w, uint64_t obj, uint64_t data, uint64_t length)
{
	struct values *values = w->values;
	uint64_t shown = length < values->limit ? length : values->limit;

	if (!values->text)
		shown = 0;
	send(w, obj, SNAP_VALUE_BYTES, length,
	     shown < length ? heap_hash(values->seed, peek_ptr(data), length) : 0,
	     peek_ptr(data), (uint32_t)shown);
}

static void value_bytes(struct walk *w, struct walk_type *type, uint64_t obj)
{
	(void)type;
	send_bytes(w, obj, obj + w->lay->bytes_data, peek64(obj + w->lay->head));
}

static void value_bytearray(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t length = peek64(obj + w->lay->head);
	uint64_t start = peek64(obj + w->lay->head + 24); /* ob_start */

	(void)type;
	if (length == 0)
		send(w, obj, SNAP_VALUE_BYTES, 0, 0, "", 0);
	else if (walk_readable(w, start, length))
		send_bytes(w, obj, start, length);
}

/* ---- numbers ---- */

struct digits {
	uint64_t data, count; /* 30 bits each, least significant first */
	bool negative;
};

static struct digits int_digits(const struct walk *w, uint64_t obj)
{
	struct digits d = { .data = obj + w->lay->long_digits };
	uint64_t word = peek64(obj + w->lay->head);

	if (w->lay->long_tagged) { /* 0, 1 zero, 2 negative; then a count */
		d.negative = (word & 3) == 2;
		d.count = (word & 3) == 1 ? 0 : word >> 3;
	} else {
		d.negative = (int64_t)word < 0;
		d.count = d.negative ? -word : word;
	}
	return d;
}

static uint64_t int_bits(const struct digits *d)
{
	uint32_t top;

	if (!d->count)
		return 0;
	top = peek32(d->data + 4 * (d->count - 1));
	return 30 * (d->count - 1) + (top ? 32u - (unsigned)__builtin_clz(top) : 0);
}

static uint32_t put_decimal(char *end, uint64_t v, bool negative)
{
	char *p = end;

	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	if (negative)
		*--p = '-';
	return (uint32_t)(end - p);
}

static unsigned nibble(const struct digits *d, uint64_t index)
{
	uint64_t bit = 4 * index, at = bit / 30;
	uint64_t pair = peek32(d->data + 4 * at);

	if (at + 1 < d->count)
		pair |= (uint64_t)peek32(d->data + 4 * (at + 1)) << 30;
	return pair >> bit % 30 & 15;
}

static void value_big_int(struct walk *w, uint64_t obj, const struct digits *d,
			  uint64_t bits)
{
	struct values *values = w->values;
	uint64_t nibbles = (bits + 3) / 4, hash = 0;
	uint64_t shown = nibbles < values->limit ? nibbles : values->limit;
	char *p = values->buf;

	if (d->negative)
		*p++ = '-';
	*p++ = '0';
	*p++ = 'x';
	for (uint64_t i = 0; i < shown; i++)
		*p++ = "0123456789abcdef"[nibble(d, nibbles - 1 - i)];
	if (shown < nibbles || !values->text)
		hash = heap_hash(values->seed + d->negative, peek_ptr(d->data),
				 4 * d->count);
	send(w, obj, SNAP_VALUE_INT, bits, hash, values->buf,
	     values->text ? (uint32_t)(p - values->buf) : 0);
}

static uint64_t int_small(const struct digits *d)
{
	uint64_t v = 0;

	for (uint64_t i = 0; i < d->count; i++)
		v |= (uint64_t)peek32(d->data + 4 * i) << 30 * i;
	return v;
}

bool values_u64(const struct walk *w, uint64_t obj, uint64_t *ret)
{
	struct digits d;

	if (!obj || walk_typeof(w, obj) != CPYTHON_ADDR(w->py, long_type))
		return false;
	d = int_digits(w, obj);
	if (d.negative || int_bits(&d) > 64)
		return false;
	*ret = int_small(&d);
	return true;
}

static void value_int(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct values *values = w->values;
	struct digits d = int_digits(w, obj);
	uint64_t bits = int_bits(&d), v;
	char buf[24];
	uint32_t size;

	(void)type;
	if (bits > 64) {
		value_big_int(w, obj, &d, bits);
		return;
	}
	v = int_small(&d);
	if (!values->text) {
		uint64_t key[2] = { v, d.negative };

		send(w, obj, SNAP_VALUE_INT, bits,
		     heap_hash(values->seed, key, sizeof(key)), NULL, 0);
		return;
	}
	size = put_decimal(buf + sizeof(buf), v, d.negative);
	send(w, obj, SNAP_VALUE_INT, bits, 0, buf + sizeof(buf) - size, size);
}

static void value_bool(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct digits d = int_digits(w, obj);
	char truth = int_small(&d) != 0;

	(void)type;
	send(w, obj, SNAP_VALUE_BOOL, 1, 0, &truth, 1);
}

static void value_float(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct values *values = w->values;
	const char *text = peek_ptr(obj + w->lay->head);

	(void)type;
	if (values->text)
		send(w, obj, SNAP_VALUE_FLOAT, 8, 0, text, 8);
	else
		send(w, obj, SNAP_VALUE_FLOAT, 8, heap_hash(values->seed, text, 8), NULL,
		     0);
}

/* ---- names ---- */

static void send_name(struct walk *w, uint64_t obj, const char *text, size_t size)
{
	if (size)
		send(w, obj, SNAP_VALUE_NAME, size, 0, text, (uint32_t)size);
}

static void send_name_of(struct walk *w, uint64_t obj, uint64_t str)
{
	char buf[VALUES_NAME_MAX];

	if (str)
		send_name(w, obj, buf, walk_str_text(w, str, buf, sizeof(buf)));
}

static uint64_t extra(const struct walk *w)
{
	return w->lay->head - 16u;
}

static void name_function(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct values *values = w->values;

	(void)type;
	send_name_of(w, obj, peek64(obj + values->frame->fn_qualname + extra(w)));
}

static void name_code(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct frame_layout *lay = ((struct values *)w->values)->frame;
	uint16_t at = lay->co_qualname != FRAME_NONE ? lay->co_qualname : lay->co_name;

	(void)type;
	send_name_of(w, obj, peek64(obj + at + extra(w)));
}

static void name_generator(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct values *values = w->values;

	(void)type;
	send_name_of(w, obj, peek64(obj + values->frame->g_qualname + extra(w)));
}

static void name_module(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t dict = peek64(obj + w->lay->head); /* md_dict */

	(void)type;
	if (dict)
		send_name_of(w, obj, walk_dict_get(w, dict, "__name__"));
}

static void name_type(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct walk_type *record = walk_type(w, obj);

	(void)type;
	if (record->name_text)
		send_name(w, obj, record->name_text, strlen(record->name_text));
}

/* m_ml, m_self, m_module; the first member of a PyMethodDef is its name. */
static void name_builtin(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t def = peek64(obj + w->lay->head), name;
	uint64_t module = peek64(obj + w->lay->head + 16);
	char buf[VALUES_NAME_MAX];
	size_t n = 0;

	(void)type;
	if (module && walk_is_object(w, module))
		n = walk_str_text(w, module, buf, sizeof(buf) / 2);
	if (n)
		buf[n++] = '.';
	if (!walk_readable(w, def, 8))
		return;
	name = peek64(def); /* ml_name */
	if (!walk_text(w, name, buf + n, sizeof(buf) - n))
		return;
	send_name(w, obj, buf, n + strlen(buf + n));
}

/* Descriptors of C types: d_type, then d_name. */
static void name_descriptor(struct walk *w, struct walk_type *type, uint64_t obj)
{
	(void)type;
	send_name_of(w, obj, peek64(obj + w->lay->head + 8));
}

/* ---- hooks ---- */

static bool is_descriptor(const struct walk *w, uint64_t type)
{
	const struct cpython *py = w->py;

	return type == CPYTHON_ADDR(py, method_descr_type) ||
		type == CPYTHON_ADDR(py, member_descr_type) ||
		type == CPYTHON_ADDR(py, getset_descr_type) ||
		type == CPYTHON_ADDR(py, wrapper_descr_type) ||
		type == CPYTHON_ADDR(py, classmethod_descr_type);
}

/* Sets w->values up; before any type is seen. Without memory: no values. */
static void values_begin(struct walk *w)
{
	struct values *values = arena_alloc(w->arena, sizeof(*values));
	uint32_t limit = w->options->value_limit ? w->options->value_limit : SNAP_PREVIEW;

	if (!values)
		return;
	values->frame = frame_layout_of(w->py);
	values->seed = w->options->seed;
	values->limit = limit < SNAP_PREVIEW_MAX ? limit : SNAP_PREVIEW_MAX;
	values->text = w->options->values;
	values->ascii_mask = 1u << w->lay->str_compact_bit | 1u << w->lay->str_ascii_bit;
	w->values = values;
}

void values_type_hook(struct walk *w, struct walk_type *type)
{
	static walk_object_fn *const by_kind[SNAP_KIND_COUNT] = {
		[SNAP_KIND_STR] = value_str,
		[SNAP_KIND_BYTES] = value_bytes,
		[SNAP_KIND_BYTEARRAY] = value_bytearray,
		[SNAP_KIND_INT] = value_int,
		[SNAP_KIND_BOOL] = value_bool,
		[SNAP_KIND_FLOAT] = value_float,
		[SNAP_KIND_FUNCTION] = name_function,
		[SNAP_KIND_CODE] = name_code,
		[SNAP_KIND_GENERATOR] = name_generator,
		[SNAP_KIND_MODULE] = name_module,
		[SNAP_KIND_TYPE] = name_type,
		[SNAP_KIND_BUILTIN] = name_builtin,
	};
	walk_object_fn *fn = type->kind < SNAP_KIND_COUNT ? by_kind[type->kind] : NULL;
	const struct values *values;

	if (!w->values)
		values_begin(w);
	values = w->values;
	if (!values)
		return;
	if ((fn == value_int || fn == value_bool) && type->itemsize != 4)
		fn = NULL; /* 15-bit digits: not on 64-bit Linux */
	if (!values->frame &&
	    (fn == name_function || fn == name_code || fn == name_generator))
		fn = NULL;
	if (is_descriptor(w, type->addr))
		fn = name_descriptor;
	type->values = fn;
}
