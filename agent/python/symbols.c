/* SPDX-License-Identifier: MIT */
/* symbols - see symbols.h. */
#include "agent/python/symbols.h"

#include <stdint.h>
#include <stdio.h>

#include "agent/python/cpython.h"

struct symbol_row {
	const char *name;
	size_t offset;	       /* in struct cpython_symbols */
	uint16_t since, until; /* minor-version range, 0x0306 <= v < 0x0400 */
	bool required;
};

#define ROW(field, symbol, from, to, need) \
	{ symbol, offsetof(struct cpython_symbols, field), from, to, need },
#define X(field, ...) ROW(field, __VA_ARGS__)
static const struct symbol_row symbol_rows[] = { CPYTHON_SYMBOLS(X) };
#undef X
#undef ROW

bool symbols_fill(struct cpython *py, symbols_find_fn *find, void *arg, char *err,
		  size_t err_size)
{
	const uint16_t minor = (uint16_t)(py->version >> 8);

	for (size_t i = 0; i < sizeof(symbol_rows) / sizeof(symbol_rows[0]); i++) {
		const struct symbol_row *row = &symbol_rows[i];
		void **slot = (void **)(void *)((char *)&py->sym + row->offset);

		*slot = NULL;
		if (minor >= row->since && minor < row->until)
			*slot = find(arg, row->name);
		if (!*slot && row->required) {
			snprintf(err, err_size, "CPython %u.%u here does not export %s",
				 py->version >> 16, py->version >> 8 & 0xff, row->name);
			return false;
		}
	}
	return true;
}
