/* SPDX-License-Identifier: MIT */
/* print - see print.h. */
#include "formats/text/print.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "formats/text/escape.h"

/* What gathers until it is written at once. */
struct print {
	FILE *out;
	size_t used;
	char buf[4096];
};

static void print_flush(struct print *p)
{
	if (p->used > 0)
		fwrite(p->buf, 1, p->used, p->out);
	p->used = 0;
}

static void print_add(struct print *p, const char *bytes, size_t size)
{
	if (size > sizeof(p->buf) - p->used)
		print_flush(p);
	if (size > sizeof(p->buf)) {
		fwrite(bytes, 1, size, p->out);
		return;
	}
	memcpy(p->buf + p->used, bytes, size);
	p->used += size;
}

static void print_pad(struct print *p, size_t count)
{
	while (count-- > 0)
		print_add(p, " ", 1);
}

/* Adds the text, escaped (ends of lines only where asked for); or, p NULL, counts it. */
static size_t print_escaped(struct print *p, const char *text, size_t size, bool lines)
{
	size_t columns = 0, len = 1;

	for (size_t i = 0; i < size; i += len) {
		char escaped[ESCAPE_MAX];
		const int32_t c = escape_decode(text + i, size - i, &len);
		const bool plain = escape_printable(c) || (lines && c == '\n');
		const size_t n =
			plain ? len : escape_write(escaped, c, (unsigned char)text[i]);
		if (p)
			print_add(p, plain ? text + i : escaped, n);
		columns += plain ? 1 : n;
	}
	return columns;
}

/* ---- formats ---- */

/* One conversion: its flags, and what belongs to it. */
struct print_spec {
	char flags[8];
	int width, precision; /* precision: -1 = none */
	char length;	      /* 0 int, 'l', 'q' (ll), 'j', 'z', 't' */
	char conversion;
};

/* va_list in a struct: an argument of this type can be passed on by its address. */
struct print_arguments {
	va_list list;
};

static int print_number(const char **format, struct print_arguments *args, int none)
{
	int n = 0;

	if (**format == '*') {
		++*format;
		return va_arg(args->list, int);
	}
	if (**format < '0' || **format > '9')
		return none;
	for (; **format >= '0' && **format <= '9'; ++*format)
		n = n < 100000 ? n * 10 + (**format - '0') : n;
	return n;
}

/* Parses behind the '%'; format ends up behind the conversion. */
static struct print_spec print_parse(const char **format, struct print_arguments *args)
{
	struct print_spec s = { .precision = -1 };
	size_t flags = 0;

	for (; **format && strchr("-+ #0", **format); ++*format)
		if (flags + 1 < sizeof(s.flags))
			s.flags[flags++] = **format;
	s.width = print_number(format, args, 0);
	if (**format == '.') {
		++*format;
		s.precision = print_number(format, args, 0);
	}
	for (; **format && strchr("hljzt", **format); ++*format)
		/* h and hh have come as int: printed as such, they have that value. */
		if (**format != 'h')
			s.length = s.length == 'l' ? 'q' : **format;
	s.conversion = **format;
	if (**format)
		++*format;
	return s;
}

static intmax_t print_integer(const struct print_spec *s, struct print_arguments *args)
{
	const bool is_signed = s->conversion == 'd' || s->conversion == 'i';

	switch (s->length) {
	case 0:
		return is_signed ? va_arg(args->list, int) :
				   (intmax_t)va_arg(args->list, unsigned);
	case 'l':
		return va_arg(args->list, long);
	case 'q':
		return va_arg(args->list, long long);
	case 'z':
		return (intmax_t)va_arg(args->list, size_t);
	case 't':
		return va_arg(args->list, ptrdiff_t);
	default:
		return va_arg(args->list, intmax_t);
	}
}

/* The formats are made here, of flags and letters that print_parse let through. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void print_value(struct print *p, const struct print_spec *s,
			struct print_arguments *args)
{
	char format[24], buf[512];
	const bool real = strchr("fFeEgGaA", s->conversion) != NULL;
	int n;

	snprintf(format, sizeof(format), "%%%s*.*%s%c", s->flags,
		 real || s->conversion == 'p' ? "" : "j", s->conversion);
	if (real)
		n = snprintf(buf, sizeof(buf), format, s->width, s->precision,
			     va_arg(args->list, double));
	else if (s->conversion == 'p')
		n = snprintf(buf, sizeof(buf), "%p", va_arg(args->list, void *));
	else
		n = snprintf(buf, sizeof(buf), format, s->width, s->precision,
			     print_integer(s, args));
	if (n > 0)
		print_add(p, buf, (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf) - 1);
}
#pragma GCC diagnostic pop

static void print_string(struct print *p, const struct print_spec *s,
			 struct print_arguments *args)
{
	char one = 0;
	const char *text = &one;
	size_t size = 1;

	if (s->conversion == 'c') {
		one = (char)va_arg(args->list, int);
	} else {
		text = va_arg(args->list, const char *);
		text = text ? text : "(null)";
		size = s->precision < 0 ? strlen(text) :
					  strnlen(text, (size_t)s->precision);
	}
	const bool left = s->width < 0 || strchr(s->flags, '-');
	const size_t width = (size_t)(s->width < 0 ? -s->width : s->width);
	const size_t columns = width > 0 ? print_escaped(NULL, text, size, false) : 0;
	const size_t pad = width > columns ? width - columns : 0;

	if (!left)
		print_pad(p, pad);
	print_escaped(p, text, size, false);
	if (left)
		print_pad(p, pad);
}

static void print_arguments(FILE *out, const char *format, va_list list)
	__attribute__((format(printf, 2, 0)));
static void print_arguments(FILE *out, const char *format, va_list list)
{
	struct print p;
	struct print_arguments args;

	p.out = out;
	p.used = 0;
	va_copy(args.list, list);
	while (*format) {
		const size_t n = strcspn(format, "%");
		print_add(&p, format, n);
		format += n;
		if (*format++ != '%')
			break;
		const struct print_spec s = print_parse(&format, &args);
		if (s.conversion == '%')
			print_add(&p, "%", 1);
		else if (s.conversion == 's' || s.conversion == 'c')
			print_string(&p, &s, &args);
		else if (s.conversion && strchr("diouxXpfFeEgGaA", s.conversion))
			print_value(&p, &s, &args);
		else
			assert(!"a conversion that print_format doesn't know");
	}
	va_end(args.list);
	print_flush(&p);
}

void print_format(FILE *out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_arguments(out, format, args);
	va_end(args);
}

void print_lines(FILE *out, const char *text)
{
	struct print p;

	p.out = out;
	p.used = 0;
	print_escaped(&p, text, strlen(text), true);
	print_flush(&p);
}

/* ---- JSON ---- */

static void print_json_character(struct print *p, uint32_t c)
{
	char buf[16];
	int n = 0;

	if (c == '"' || c == '\\')
		n = snprintf(buf, sizeof(buf), "\\%c", (int)c);
	else if (c >= 0x20 && c < 0x7f)
		n = snprintf(buf, sizeof(buf), "%c", (int)c);
	else if (c < 0x10000)
		n = snprintf(buf, sizeof(buf), "\\u%04x", c);
	else
		n = snprintf(buf, sizeof(buf), "\\u%04x\\u%04x", 0xd7c0 + (c >> 10),
			     0xdc00 | (c & 0x3ff));
	print_add(p, buf, (size_t)n);
}

void print_json(FILE *out, const char *text, size_t size)
{
	struct print p;
	size_t len = 1;

	p.out = out;
	p.used = 0;
	print_add(&p, "\"", 1);
	for (size_t i = 0; i < size; i += len) {
		const int32_t c = escape_decode(text + i, size - i, &len);
		const bool no_unicode = c < 0 || (c >= 0xd800 && c < 0xe000);
		print_json_character(&p, no_unicode ? 0xfffd : (uint32_t)c);
	}
	print_add(&p, "\"", 1);
	print_flush(&p);
}

void print_in_handler(int fd, const char *sentence)
{
	const ssize_t n = write(fd, sentence, strlen(sentence));

	(void)n; /* there is nobody left to tell */
}
