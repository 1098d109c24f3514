/* SPDX-License-Identifier: MIT */
/*
 * phrase - builds short texts in a fixed buffer, without stdio and locales.
 *
 * Always NUL-terminated; what does not fit is cut.  Async-signal-safe.
 */
#ifndef PYMEM_AGENT_BASE_PHRASE_H
#define PYMEM_AGENT_BASE_PHRASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct phrase {
	char *buf;
	size_t size, used; /* used: without the NUL */
	bool cut;	   /* something did not fit */
};

static inline void phrase_init(struct phrase *t, char *buf, size_t size)
{
	*t = (struct phrase){ .buf = buf, .size = size };
	buf[0] = '\0';
}

static inline void phrase_bytes(struct phrase *t, const char *s, size_t n)
{
	size_t room = t->size - 1 - t->used;

	if (n > room) {
		n = room;
		t->cut = true;
	}
	memcpy(t->buf + t->used, s, n);
	t->used += n;
	t->buf[t->used] = '\0';
}

static inline void phrase_str(struct phrase *t, const char *s)
{
	phrase_bytes(t, s, strlen(s));
}

static inline void phrase_number(struct phrase *t, uint64_t v, unsigned base,
				 unsigned width)
{
	char digits[24];
	unsigned n = 0;

	do {
		digits[sizeof(digits) - ++n] = "0123456789abcdef"[v % base];
		v /= base;
	} while ((v || n < width) && n < sizeof(digits));
	phrase_bytes(t, digits + sizeof(digits) - n, n);
}

static inline void phrase_u64(struct phrase *t, uint64_t v)
{
	phrase_number(t, v, 10, 1);
}

/* Decimal with at least `width` digits, zeros in front. */
static inline void phrase_padded(struct phrase *t, uint64_t v, unsigned width)
{
	phrase_number(t, v, 10, width);
}

static inline void phrase_hex(struct phrase *t, uint64_t v)
{
	phrase_str(t, "0x");
	phrase_number(t, v, 16, 1);
}

/* Hexadecimal digits at *s, which is moved behind them; false when there are none. */
static inline bool phrase_parse_hex(const char **s, uint64_t *ret)
{
	const char *const began = *s;
	uint64_t v = 0;

	for (;; ++*s) {
		const char c = **s;

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint64_t)(c - 'a' + 10);
		else
			break;
	}
	*ret = v;
	return *s != began;
}

/*
 * Decimal digits at *s, which is moved behind them.  False, and *s unmoved, when
 * there are none or the number is too large.
 */
static inline bool phrase_parse_u64(const char **s, uint64_t *ret)
{
	const char *p = *s;
	uint64_t v = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
	}
	*ret = v;
	*s = p;
	return true;
}

#endif
