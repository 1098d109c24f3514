/* SPDX-License-Identifier: MIT */
/* moved - see moved.h. */
#include "agent/python/moved.h"

#include <string.h>

#include "agent/base/peek.h"
#include "agent/python/interpreters.h"
#include "agent/python/lookup.h"
#include "agent/python/type_flags.h"

enum {
	MOVED_RUNTIME = 1 << 20, /* bytes of _PyRuntime looked at */
	MOVED_STEP = 1024,	 /* words at once */
	MOVED_SAMPLES = 1152,	 /* str */
	MOVED_BYTES = 112,	 /* of each */
	MOVED_NEED = 24,	 /* samples that must agree */
	MOVED_DICTS = 64,	 /* looked at in the interpreter's state */
	MOVED_INTS = 128,	 /* small ones in a row */
	MOVED_INT = 32,		 /* bytes of each, which has one digit */
};

/* ---- str ---- */

struct moved_samples {
	uint32_t count;
	char bytes[MOVED_SAMPLES][MOVED_BYTES]; /* from the object's address on */
};

/* Objects of exactly this type among the words of _PyRuntime: static ones. */
static void moved_collect(const struct cpython *py, struct moved_samples *ret)
{
	const uint64_t base = CPYTHON_ADDR(py, runtime),
		       type = CPYTHON_ADDR(py, unicode_type);
	uint64_t words[MOVED_STEP];

	ret->count = 0;
	for (uint64_t at = 0; base && at < MOVED_RUNTIME; at += sizeof(words)) {
		if (!peek_safe(base + at, words, sizeof(words)))
			return;
		for (size_t i = 0; i < MOVED_STEP && ret->count < MOVED_SAMPLES; i++)
			if (words[i] == type &&
			    peek_safe(base + at + i * 8 - py->lay.type,
				      ret->bytes[ret->count], MOVED_BYTES))
				ret->count++;
	}
}

static uint64_t moved_word(const char *bytes, size_t at)
{
	uint64_t word;

	memcpy(&word, bytes + at, sizeof(word));
	return word;
}

static uint32_t moved_half(const char *bytes, size_t at)
{
	uint32_t half;

	memcpy(&half, bytes + at, sizeof(half));
	return half;
}

/* Length of the ASCII text that begins there; 0: none, or it doesn't end. */
static size_t moved_text(const char *bytes, size_t at)
{
	size_t n = 0;

	while (at + n < MOVED_BYTES && bytes[at + n] > ' ' && bytes[at + n] < 0x7f)
		n++;
	return at + n < MOVED_BYTES && !bytes[at + n] ? n : 0;
}

/* Is this sample an ASCII text at `text` whose length stands at `length`? */
static bool moved_is_ascii(const char *bytes, size_t length, size_t text)
{
	const size_t n = moved_text(bytes, text);

	return n > 1 && moved_word(bytes, length) == n;
}

static bool moved_find_text(struct layout *lay, const struct moved_samples *s)
{
	for (uint16_t text = (uint16_t)(lay->head + 16); text < 80; text += 8)
		for (uint16_t length = lay->head; length < text; length += 8) {
			unsigned good = 0;

			for (uint32_t i = 0; i < s->count; i++)
				good += moved_is_ascii(s->bytes[i], length, text);
			if (good < MOVED_NEED)
				continue;
			lay->str_length = length;
			lay->str_hash = (uint16_t)(length + 8);
			lay->str_ascii_size = text;
			return true;
		}
	return false;
}

/* Of ASCII text: characters of one byte, compact, ASCII. */
static bool moved_state_fits(const struct layout *lay, const struct moved_samples *s,
			     uint16_t at)
{
	for (uint32_t i = 0; i < s->count; i++) {
		const uint32_t state = moved_half(s->bytes[i], at);

		if (moved_is_ascii(s->bytes[i], lay->str_length, lay->str_ascii_size) &&
		    ((state >> lay->str_kind_shift & 7) != 1 ||
		     !(state >> lay->str_compact_bit & 1) ||
		     !(state >> lay->str_ascii_bit & 1)))
			return false;
	}
	return true;
}

static bool moved_find_state(struct layout *lay, const struct moved_samples *s)
{
	for (uint16_t at = lay->head; at < lay->str_ascii_size; at += 4)
		if ((at < lay->str_length || at >= lay->str_hash + 8) &&
		    moved_state_fits(lay, s, at)) {
			lay->str_state = at;
			return true;
		}
	return false;
}

/* Where the one byte of the static characters 0x80 to 0xff lies. */
static bool moved_find_compact(struct layout *lay, const struct moved_samples *s)
{
	for (uint16_t at = (uint16_t)(lay->str_ascii_size + 8); at < MOVED_BYTES - 8;
	     at += 8) {
		unsigned good = 0, all = 0;

		for (uint32_t i = 0; i < s->count; i++) {
			const char *const b = s->bytes[i];
			const uint32_t state = moved_half(b, lay->str_state);

			if (state >> lay->str_ascii_bit & 1 ||
			    !(state >> lay->str_compact_bit & 1) ||
			    moved_word(b, lay->str_length) != 1)
				continue;
			all++;
			good += (b[at] & 0x80) && !b[at + 1];
		}
		if (good >= MOVED_NEED && good == all) {
			lay->str_compact_size = at;
			return true;
		}
	}
	return false;
}

/* Two words of UTF-8 come between (3.12+), and at the end the pointer to data that is
 * elsewhere: other sums are of a str that nobody has seen. */
static bool moved_str(struct cpython *py, uint64_t size)
{
	static struct moved_samples samples; /* one thread probes at a time */
	struct layout *const lay = &py->lay;

	moved_collect(py, &samples);
	if (!moved_find_text(lay, &samples) || !moved_find_state(lay, &samples) ||
	    !moved_find_compact(lay, &samples) || size != lay->str_compact_size + 8u)
		return false;
	lay->str_full_size = (uint16_t)size;
	if (lay->str_compact_size ==
	    lay->str_utf8 + 8u + (lay->str_wstr != LAYOUT_NONE) * 8)
		return true;
	if (lay->str_compact_size != lay->str_ascii_size + 16)
		return false;
	lay->str_utf8_length = lay->str_ascii_size;
	lay->str_utf8 = (uint16_t)(lay->str_ascii_size + 8);
	lay->str_wstr = lay->str_wstr_length = LAYOUT_NONE;
	lay->str_ready_bit = 0xff;
	return true;
}

/* ---- dict ---- */

/* Key tables that there have been; others may have a word more, or less, in front. */
struct moved_keys {
	uint16_t log2_size, log2_index, kind, nentries, indices;
};

static const struct moved_keys moved_key_tables[] = {
	{ 8, 9, 10, 24, 32 },
	{ LAYOUT_NONE, LAYOUT_NONE, LAYOUT_NONE, 32, 40 },
};
static const int16_t moved_shifts[] = { 0, 8, -8, 16 };

struct moved_dicts {
	uint32_t count;
	uint64_t address[MOVED_DICTS];
};

static void moved_collect_dicts(const struct cpython *py, struct moved_dicts *ret)
{
	const uint64_t interp = interpreters_main(py);
	uint64_t words[64];

	ret->count = 0;
	if (interpreters_current(py))
		ret->address[ret->count++] = interpreters_modules(py);
	for (uint64_t at = 0; at < 256 << 10; at += sizeof(words)) {
		if (!peek_safe(interp + at, words, sizeof(words)))
			return;
		for (size_t i = 0; i < 64 && ret->count < MOVED_DICTS; i++)
			if (lookup_exact(py, words[i], CPYTHON_ADDR(py, dict_type)))
				ret->address[ret->count++] = words[i];
	}
}

/* One of them is sys.modules, read like this, and counts what is in it. */
static bool moved_dict_fits(const struct cpython *py, const struct moved_dicts *dicts)
{
	const struct layout *const lay = &py->lay;
	uint64_t dict, used, keys, entries;

	for (uint32_t i = 0; i < dicts->count; i++) {
		dict = dicts->address[i];
		if (lookup_dict(py, dict, "builtins") &&
		    lookup_dict(py, dict, "_frozen_importlib") &&
		    peek_safe64(dict + lay->dict_used, &used) &&
		    peek_safe64(dict + lay->dict_keys, &keys) &&
		    peek_safe64(keys + lay->keys_nentries, &entries))
			return used > 1 && used <= entries;
	}
	return false;
}

static void moved_keys_set(struct layout *lay, const struct moved_keys *keys,
			   int16_t shift)
{
	lay->keys_log2_size = keys->log2_size;
	lay->keys_log2_index = keys->log2_index;
	lay->keys_kind = keys->kind;
	lay->keys_nentries = (uint16_t)(keys->nentries + shift);
	lay->keys_indices = (uint16_t)(keys->indices + shift);
}

/* The values of a dict that shares its keys come after them, in every version. */
static bool moved_dict(struct cpython *py, uint64_t size)
{
	const size_t tables = sizeof(moved_key_tables) / sizeof(moved_key_tables[0]);
	const size_t shifts = sizeof(moved_shifts) / sizeof(moved_shifts[0]);
	struct layout *const lay = &py->lay;
	struct moved_dicts dicts;

	moved_collect_dicts(py, &dicts);
	if (size == lay->dict_values + 8u && moved_dict_fits(py, &dicts))
		return true;
	for (uint16_t at = (uint16_t)(lay->dict_used + 8); at + 16u <= size; at += 8)
		for (size_t k = 0; k < tables * shifts; k++) {
			lay->dict_keys = at;
			lay->dict_values = (uint16_t)(at + 8);
			moved_keys_set(lay, &moved_key_tables[k % tables],
				       moved_shifts[k / tables]);
			if (moved_dict_fits(py, &dicts))
				return true;
		}
	return false;
}

/* ---- int ---- */

/* Is the word before the digits a plain, signed count, or tagged (3.12+)? */
static bool moved_int_counted(struct layout *lay, uint64_t word, uint64_t count)
{
	if (word != count && word >> 3 != count)
		return false;
	lay->long_tagged = word != count;
	if (lay->long_tagged) /* before, 3.11 counts it too: what the tables say holds */
		lay->long_zero_digit = true;
	return true;
}

/* sys.maxsize has three digits of 30 bits, the last of which is 7. */
static bool moved_int_maxsize(struct cpython *py, uint64_t modules)
{
	struct layout *const lay = &py->lay;
	const uint64_t sys = lookup_dict(py, modules, "sys");
	uint64_t dict, most, size;
	uint32_t digit[3];

	return sys && peek_safe64(sys + lay->head, &dict) &&
		(most = lookup_dict(py, dict, "maxsize")) &&
		lookup_exact(py, most, CPYTHON_ADDR(py, long_type)) &&
		peek_safe64(most + lay->head, &size) &&
		peek_safe(most + lay->long_digits, digit, sizeof(digit)) &&
		digit[0] == 0x3fffffff && digit[1] == 0x3fffffff && digit[2] == 7 &&
		moved_int_counted(lay, size, 3);
}

/* The ints from 1 on, one behind the other? */
static bool moved_int_row(const struct cpython *py, uint64_t obj)
{
	const struct layout *const lay = &py->lay;
	uint32_t digit;

	for (uint32_t i = 0; i < MOVED_INTS; i++, obj += MOVED_INT)
		if (!lookup_exact(py, obj, CPYTHON_ADDR(py, long_type)) ||
		    !peek_safe(obj + lay->long_digits, &digit, sizeof(digit)) ||
		    digit != i + 1)
			return false;
	return true;
}

/* 1, 2, 3 ... among the words of _PyRuntime: each has one digit. */
static bool moved_int_small(struct cpython *py)
{
	const uint64_t base = CPYTHON_ADDR(py, runtime);
	const uint64_t type = CPYTHON_ADDR(py, long_type);
	struct layout *const lay = &py->lay;
	uint64_t words[MOVED_STEP], obj, word;

	for (uint64_t at = 0; base && at < MOVED_RUNTIME; at += sizeof(words)) {
		if (!peek_safe(base + at, words, sizeof(words)))
			return false;
		for (size_t i = 0; i < MOVED_STEP; i++) {
			obj = base + at + i * 8 - lay->type;
			if (words[i] == type && moved_int_row(py, obj) &&
			    peek_safe64(obj + lay->head, &word))
				return moved_int_counted(lay, word, 1);
		}
	}
	return false;
}

static bool moved_int(struct cpython *py)
{
	uint64_t modules = 0, size;
	struct moved_dicts dicts;

	if (!peek_safe64(CPYTHON_ADDR(py, long_type) + py->lay.tp_basicsize, &size) ||
	    (size != py->lay.long_digits && size != py->lay.long_digits + 4u))
		return false;
	if (py->lay.unknown & LAYOUT_DICT)
		return moved_int_small(py);
	moved_collect_dicts(py, &dicts);
	for (uint32_t i = 0; i < dicts.count && !modules; i++)
		if (lookup_dict(py, dicts.address[i], "_frozen_importlib"))
			modules = dicts.address[i];
	return moved_int_maxsize(py, modules);
}

/* ---- list, set ---- */

/* Of these, what lies where is one sum: the size of an instance. */
static bool moved_sized(const struct cpython *py, uint64_t type, uint64_t size)
{
	uint64_t basic;

	return peek_safe64(type + py->lay.tp_basicsize, &basic) && basic == size;
}

/* The table of eight entries in a set is followed by the list of weak references. */
static bool moved_set(const struct cpython *py)
{
	const uint64_t size = py->lay.set_small + 8 * 16 + 8u;

	return moved_sized(py, CPYTHON_ADDR(py, set_type), size) &&
		moved_sized(py, CPYTHON_ADDR(py, frozenset_type), size);
}

void moved_find(struct cpython *py)
{
	struct layout *const lay = &py->lay;
	uint64_t size;

	lay->unknown = py->unexplained;
	if (!peek_safe64(CPYTHON_ADDR(py, unicode_type) + lay->tp_basicsize, &size) ||
	    !moved_str(py, size))
		lay->unknown |= LAYOUT_STR;
	/* a dict is told by its keys' texts */
	if (lay->unknown & LAYOUT_STR ||
	    !peek_safe64(CPYTHON_ADDR(py, dict_type) + lay->tp_basicsize, &size) ||
	    !moved_dict(py, size))
		lay->unknown |= LAYOUT_DICT;
	if (!moved_int(py))
		lay->unknown |= LAYOUT_INT;
	if (!moved_sized(py, CPYTHON_ADDR(py, list_type), lay->list_allocated + 8u))
		lay->unknown |= LAYOUT_LIST;
	if (!moved_set(py))
		lay->unknown |= LAYOUT_SET;
}
