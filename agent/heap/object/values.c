/* SPDX-License-Identifier: MIT */
/* values - see values.h. */
#include "agent/heap/object/values.h"

#include <string.h>

#include "agent/heap/core/ranges.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/types.h"
#include "agent/python/dict.h"
#include "agent/python/frame_layout.h"

enum { VALUES_NAME_MAX = 512 };

/* ---- str ---- */

static bool values_is_identifier(const char *text, uint64_t size)
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

static void values_send_ascii(struct walk *w, uint64_t obj, const char *text,
			      uint64_t length, uint32_t state)
{
	struct values *values = w->values;
	uint32_t interned = str_interned(w->lay, state);

	if (values->text && length <= values->limit)
		values_send(w, obj, SNAP_VALUE_STR, length, 0, text, (uint32_t)length);
	else if (values->text)
		values_send(w, obj, SNAP_VALUE_STR, length,
			    hash_content(values->seed, text, length), text,
			    values->limit);
	else if (interned && values_is_identifier(text, length))
		values_send(w, obj, SNAP_VALUE_STR, length, 0, text, (uint32_t)length);
	else
		values_send(w, obj, SNAP_VALUE_STR, length,
			    hash_content(values->seed, text, length), NULL, 0);
}

static void values_str_other(struct walk *w, uint64_t obj, uint32_t state)
{
	struct values *values = w->values;
	uint64_t length, data, shown, hash = 0;
	uint32_t kind, size = 0;

	if (!str_data(w->lay, obj, &length, &kind, &data))
		return;
	if (kind == 1 && state >> w->lay->str_ascii_bit & 1) {
		values_send_ascii(w, obj, peek_bytes(data, length), length, state);
		return;
	}
	shown = !values->text ? 0 : length < values->limit ? length : values->limit;
	if (shown)
		size = str_encode(values->buf, data, kind, shown);
	if (shown < length)
		hash = hash_content(values->seed + kind, peek_bytes(data, length * kind),
				    length * kind);
	values_send(w, obj, SNAP_VALUE_STR, length, hash, values->buf, size);
}

void values_str(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const uint64_t length = peek64(obj + w->lay->str_length);
	uint32_t state = peek32(obj + w->lay->str_state);

	(void)type;
	if (!(~state & w->str_ascii))
		values_send_ascii(w, obj,
				  peek_bytes(obj + w->lay->str_ascii_size, length),
				  length, state);
	else
		values_str_other(w, obj, state);
}

/* ---- bytes, bytearray ---- */

static void values_send_bytes(struct walk *w, uint64_t obj, uint64_t data,
			      uint64_t length)
{
	struct values *values = w->values;
	uint64_t shown = length < values->limit ? length : values->limit;

	if (!values->text)
		shown = 0;
	values_send(w, obj, SNAP_VALUE_BYTES, length,
		    shown < length ?
			    hash_content(values->seed, peek_bytes(data, length), length) :
			    0,
		    peek_bytes(data, shown), (uint32_t)shown);
}

static void values_bytes(struct walk *w, struct walk_type *type, uint64_t obj)
{
	(void)type;
	values_send_bytes(w, obj, obj + w->lay->bytes_data, peek64(obj + w->lay->head));
}

static void values_bytearray(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t length = peek64(obj + w->lay->head);
	uint64_t start = peek64(obj + w->lay->head + 24); /* ob_start */

	(void)type;
	if (length == 0)
		values_send(w, obj, SNAP_VALUE_BYTES, 0, 0, "", 0);
	else if (ranges_readable(w, start, length))
		values_send_bytes(w, obj, start, length);
}

/* ---- numbers ---- */

static uint32_t values_decimal(char *end, uint64_t v, bool negative)
{
	char *p = end;

	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	if (negative)
		*--p = '-';
	return (uint32_t)(end - p);
}

static unsigned values_nibble(const struct integer *d, uint64_t index)
{
	uint64_t bit = 4 * index, at = bit / 30;
	uint64_t pair = peek32(d->data + 4 * at);

	if (at + 1 < d->count)
		pair |= (uint64_t)peek32(d->data + 4 * (at + 1)) << 30;
	return pair >> bit % 30 & 15;
}

static void values_big_int(struct walk *w, uint64_t obj, const struct integer *d,
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
		*p++ = "0123456789abcdef"[values_nibble(d, nibbles - 1 - i)];
	if (shown < nibbles || !values->text)
		hash = hash_content(values->seed + d->negative,
				    peek_bytes(d->data, 4 * d->count), 4 * d->count);
	values_send(w, obj, SNAP_VALUE_INT, bits, hash, values->buf,
		    values->text ? (uint32_t)(p - values->buf) : 0);
}

static __attribute__((noinline)) void values_send_decimal(struct walk *w, uint64_t obj,
							  uint64_t bits, uint64_t v,
							  bool negative)
{
	char buf[24];
	const uint32_t size = values_decimal(buf + sizeof(buf), v, negative);

	values_send(w, obj, SNAP_VALUE_INT, bits, 0, buf + sizeof(buf) - size, size);
}

void values_int(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct values *values = w->values;
	struct integer d = integer_digits(w->lay, obj);
	uint64_t bits, v;

	(void)type;
	if (d.count == 1) { /* nearly all are */
		v = peek32(d.data);
		bits = v ? 64u - (unsigned)__builtin_clzll(v) : 0;
	} else {
		bits = integer_bits(&d);
		if (bits > 64) {
			values_big_int(w, obj, &d, bits);
			return;
		}
		v = integer_small(&d);
	}
	if (values->text)
		values_send_decimal(w, obj, bits, v, d.negative);
	else
		values_send(w, obj, SNAP_VALUE_INT, bits,
			    hash_words(values->seed, v, d.negative, 16), NULL, 0);
}

static void values_bool(struct walk *w, struct walk_type *type, uint64_t obj)
{
	struct integer d = integer_digits(w->lay, obj);
	char truth = integer_small(&d) != 0;

	(void)type;
	values_send(w, obj, SNAP_VALUE_BOOL, 1, 0, &truth, 1);
}

void values_float(struct walk *w, struct walk_type *type, uint64_t obj)
{
	values_of_float(w, type, obj);
}

/* ---- names ---- */

static void values_send_name(struct walk *w, uint64_t obj, const char *text, size_t size)
{
	if (size)
		values_send(w, obj, SNAP_VALUE_NAME, size, 0, text, (uint32_t)size);
}

static void values_send_name_of(struct walk *w, uint64_t obj, uint64_t str)
{
	char buf[VALUES_NAME_MAX];

	/* of what a doubtful find led to, the name may be no str any more */
	if (str && sound_to_follow(w, str))
		values_send_name(w, obj, buf, str_text(w->lay, str, buf, sizeof(buf)));
}

/* How many positional parameters a function with defaults has; 0: none, or not known. */
static uint32_t values_parameters(struct walk *w, uint64_t function)
{
	const struct frame_layout *frame = w->values->frame;
	const uint64_t code = peek64(function + w->lay->fn_code);

	if (!frame || !peek64(function + w->lay->fn_defaults) ||
	    !sound_to_follow(w, code))
		return 0;
	return peek32(code + frame->co_argcount + object_extra(w->lay));
}

static void values_name_function(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const uint64_t name = peek64(obj + w->lay->fn_qualname);
	char buf[VALUES_NAME_MAX];
	size_t size;

	(void)type;
	if (!name || !sound_to_follow(w, name))
		return;
	size = str_text(w->lay, name, buf, sizeof(buf));
	if (size)
		values_send(w, obj, SNAP_VALUE_NAME, size, values_parameters(w, obj), buf,
			    (uint32_t)size);
}

static void values_name_code(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct frame_layout *lay = w->values->frame;
	uint16_t at = lay->co_qualname != FRAME_NONE ? lay->co_qualname : lay->co_name;

	(void)type;
	values_send_name_of(w, obj, peek64(obj + at + object_extra(w->lay)));
}

static void values_name_generator(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct values *values = w->values;

	(void)type;
	values_send_name_of(
		w, obj, peek64(obj + values->frame->g_qualname + object_extra(w->lay)));
}

static void values_name_module(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t dict = peek64(obj + w->lay->head); /* md_dict */

	(void)type;
	if (dict && sound_to_follow(w, dict))
		values_send_name_of(w, obj, dict_get(w->lay, dict, "__name__"));
}

static void values_name_type(struct walk *w, struct walk_type *type, uint64_t obj)
{
	const struct walk_type *record = types_get(w, obj);

	(void)type;
	if (record->name_text)
		values_send_name(w, obj, record->name_text, strlen(record->name_text));
}

/* m_ml, m_self, m_module; the first member of a PyMethodDef is its name. */
static void values_name_builtin(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t def = peek64(obj + w->lay->head), name;
	uint64_t module = peek64(obj + w->lay->head + 16);
	char buf[VALUES_NAME_MAX];
	size_t n = 0;

	(void)type;
	if (module && sound_object(w, module))
		n = str_text(w->lay, module, buf, sizeof(buf) / 2);
	if (n)
		buf[n++] = '.';
	if (!ranges_readable(w, def, 8))
		return;
	name = peek64(def); /* ml_name */
	if (!ranges_text(w, name, buf + n, sizeof(buf) - n))
		return;
	values_send_name(w, obj, buf, n + strlen(buf + n));
}

/* Descriptors of C types: d_type, then d_name. */
static void values_name_descriptor(struct walk *w, struct walk_type *type, uint64_t obj)
{
	(void)type;
	values_send_name_of(w, obj, peek64(obj + w->lay->head + 8));
}

/* ---- hooks ---- */

static bool values_is_descriptor(const struct walk *w, uint64_t type)
{
	const struct cpython *py = w->py;

	return type == CPYTHON_ADDR(py, method_descr_type) ||
		type == CPYTHON_ADDR(py, member_descr_type) ||
		type == CPYTHON_ADDR(py, getset_descr_type) ||
		type == CPYTHON_ADDR(py, wrapper_descr_type) ||
		type == CPYTHON_ADDR(py, classmethod_descr_type);
}

static void values_begin(struct walk *w)
{
	struct values *values = arena_alloc(w->arena, sizeof(*values));
	uint32_t limit = w->options->value_limit ? w->options->value_limit : SNAP_PREVIEW;

	if (!values)
		return;
	values->frame = w->py->frames;
	values->seed = w->options->seed;
	values->limit = limit < SNAP_PREVIEW_MAX ? limit : SNAP_PREVIEW_MAX;
	values->text = w->options->values;
	w->values = values;
}

/* Which part of the layout such values are read by. */
static uint32_t values_part(uint8_t kind)
{
	return kind == SNAP_KIND_STR				? LAYOUT_STR :
		kind == SNAP_KIND_INT || kind == SNAP_KIND_BOOL ? LAYOUT_INT :
								  0;
}

void values_plan(struct walk *w, struct walk_type *type)
{
	static walk_object_fn *const by_kind[SNAP_KIND_COUNT] = {
		[SNAP_KIND_STR] = values_str,
		[SNAP_KIND_BYTES] = values_bytes,
		[SNAP_KIND_BYTEARRAY] = values_bytearray,
		[SNAP_KIND_INT] = values_int,
		[SNAP_KIND_BOOL] = values_bool,
		[SNAP_KIND_FLOAT] = values_float,
		[SNAP_KIND_FUNCTION] = values_name_function,
		[SNAP_KIND_CODE] = values_name_code,
		[SNAP_KIND_GENERATOR] = values_name_generator,
		[SNAP_KIND_MODULE] = values_name_module,
		[SNAP_KIND_TYPE] = values_name_type,
		[SNAP_KIND_BUILTIN] = values_name_builtin,
	};
	walk_object_fn *fn = type->kind < SNAP_KIND_COUNT ? by_kind[type->kind] : NULL;
	const struct values *values;

	if (!w->values)
		values_begin(w);
	values = w->values;
	if (!values)
		return;
	if ((fn == values_int || fn == values_bool) && type->itemsize != 4)
		fn = NULL; /* 15-bit digits: not on 64-bit Linux */
	if (w->lay->unknown & values_part(type->kind))
		fn = NULL;
	if (!values->frame && (fn == values_name_code || fn == values_name_generator))
		fn = NULL;
	if (values_is_descriptor(w, type->addr))
		fn = values_name_descriptor;
	type->values = fn;
}
