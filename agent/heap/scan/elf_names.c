/* SPDX-License-Identifier: MIT */
/* elf_names - see elf_names.h. */
#include "agent/heap/scan/elf_names.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/heap/core/strings.h"

enum {
	FIRST_ROWS = 4096,
	NAME_MAX = 512,
	SECTIONS_MAX = 1 << 12,
	PROOF = 4096,
	TABLE_MAX = 1 << 27,
	LINE_MAX = 640,
};

/* ---- the rows ---- */

static bool elf_names_reserve(struct walk *w, struct elf_names *names)
{
	uint32_t capacity = names->capacity ? names->capacity * 2 : FIRST_ROWS;
	struct elf_variable *bigger;

	if (names->count < names->capacity)
		return true;
	bigger = arena_map(w->arena, capacity * sizeof(*bigger));
	if (!bigger)
		return false;
	if (names->rows) {
		memcpy(bigger, names->rows, names->count * sizeof(*bigger));
		arena_unmap(w->arena, names->rows, names->capacity * sizeof(*bigger));
	}
	names->rows = bigger;
	names->capacity = capacity;
	return true;
}

static void elf_names_add(struct walk *w, struct elf_names *names,
			  const Elf64_Sym *symbol, uint64_t strings, bool ours)
{
	uint64_t start = names->base + symbol->st_value;

	if (symbol->st_shndx == SHN_UNDEF || !symbol->st_size ||
	    ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || !elf_names_reserve(w, names))
		return;
	names->rows[names->count++] =
		(struct elf_variable){ .start = start,
				       .end = start + symbol->st_size,
				       .name = strings + symbol->st_name,
				       .ours = ours };
}

/* Merges the sorted rows [0, half) and [half, n) of `from` into `to`. */
static void elf_names_merge(struct elf_variable *to, const struct elf_variable *from,
			    uint32_t half, uint32_t n)
{
	uint32_t a = 0, b = half;

	for (uint32_t i = 0; i < n; i++)
		to[i] = b == n || (a < half && from[a].start <= from[b].start) ?
			from[a++] :
			from[b++];
}

/* By start, each way through them with runs twice as long; false: no memory. */
static bool elf_names_sort(struct walk *w, struct elf_names *names)
{
	const uint32_t n = names->count;
	struct elf_variable *spare =
				    arena_map(w->arena, names->capacity * sizeof(*spare)),
			    *rows;

	if (!spare)
		return false;
	for (uint32_t run = 1; run < n; run *= 2) {
		for (uint32_t at = 0; at < n; at += 2 * run) {
			const uint32_t left = n - at;

			elf_names_merge(spare + at, names->rows + at,
					run < left ? run : left,
					2 * run < left ? 2 * run : left);
		}
		rows = names->rows;
		names->rows = spare;
		spare = rows;
	}
	arena_unmap(w->arena, spare, names->capacity * sizeof(*spare));
	return true;
}

/* What they cover, from the first on. */
static void elf_names_reach(struct elf_names *names)
{
	uint64_t reach = 0;

	for (uint32_t i = 0; i < names->count; i++) {
		reach = names->rows[i].end > reach ? names->rows[i].end : reach;
		names->rows[i].reach = reach;
	}
}

/* ---- reading ---- */

static void elf_names_add_dynamic(struct walk *w, struct elf_names *names,
				  const struct elf_tables *tables)
{
	Elf64_Sym symbol;

	for (uint32_t i = 0; i < tables->count; i++)
		if (peek_safe(tables->symbols + i * sizeof(symbol), &symbol,
			      sizeof(symbol)))
			elf_names_add(w, names, &symbol, tables->strings, false);
}

static bool elf_names_read(int fd, void *buf, uint64_t size, uint64_t offset)
{
	return pread(fd, buf, size, (off_t)offset) == (ssize_t)size;
}

/* Is this the file that was mapped? Its first page has the build id, as a rule. */
static bool elf_names_same_file(int fd, uint64_t image)
{
	char ours[512], theirs[512];

	for (uint64_t at = 0; at < PROOF; at += sizeof(ours))
		if (!elf_names_read(fd, ours, sizeof(ours), at) ||
		    !peek_safe(image + at, theirs, sizeof(theirs)) ||
		    memcmp(ours, theirs, sizeof(ours)))
			return false;
	return true;
}

static void *elf_names_table(struct walk *w, int fd, const Elf64_Shdr *section)
{
	void *mem;

	if (!section->sh_size || section->sh_size > TABLE_MAX)
		return NULL;
	mem = arena_map(w->arena, section->sh_size + 1); /* a zero after it */
	if (mem && !elf_names_read(fd, mem, section->sh_size, section->sh_offset)) {
		arena_unmap(w->arena, mem, section->sh_size + 1);
		mem = NULL;
	}
	return mem;
}

static void elf_names_add_table(struct walk *w, struct elf_names *names, int fd,
				const Elf64_Shdr *table, const Elf64_Shdr *text)
{
	Elf64_Sym *symbols = elf_names_table(w, fd, table);
	const char *strings = symbols ? elf_names_table(w, fd, text) : NULL;

	for (uint64_t i = 0; strings && i < table->sh_size / sizeof(*symbols); i++)
		if (symbols[i].st_name < text->sh_size)
			elf_names_add(w, names, &symbols[i], (uintptr_t)strings, true);
	if (symbols) /* the text stays: rows refer to it */
		arena_unmap(w->arena, symbols, table->sh_size + 1);
}

static void elf_names_add_file(struct walk *w, struct elf_names *names, int fd)
{
	Elf64_Ehdr head;
	Elf64_Shdr section, text;

	if (!elf_names_read(fd, &head, sizeof(head), 0) || head.e_shnum > SECTIONS_MAX ||
	    head.e_shentsize != sizeof(section))
		return;
	for (unsigned i = 0; i < head.e_shnum; i++) {
		if (!elf_names_read(fd, &section, sizeof(section),
				    head.e_shoff + i * sizeof(section)))
			return;
		if (section.sh_type == SHT_SYMTAB && section.sh_link < head.e_shnum &&
		    elf_names_read(fd, &text, sizeof(text),
				   head.e_shoff + section.sh_link * sizeof(text))) {
			elf_names_add_table(w, names, fd, &section, &text);
			return;
		}
	}
}

void elf_names_begin(struct elf_names *names, uint64_t image, const char *path)
{
	const char *slash = strrchr(path, '/');

	names->library = slash ? slash + 1 : path;
	names->path = path;
	names->base = image;
	names->count = 0;
}

static void elf_names_load(struct walk *w, struct elf_names *names)
{
	const uint64_t image = names->base;
	const char *path = names->path;
	struct elf_tables tables;
	int fd;

	names->path = NULL;
	if (elf_read_tables(image, &tables)) {
		names->base = tables.base;
		elf_names_add_dynamic(w, names, &tables);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0) {
		if (elf_names_same_file(fd, image))
			elf_names_add_file(w, names, fd);
		close(fd);
	}
	if (names->count && elf_names_sort(w, names))
		elf_names_reach(names);
	else
		names->count = 0;
}

/* ---- asking ---- */

/* The last variable that covers addr. */
static const struct elf_variable *elf_names_find(const struct elf_names *names,
						 uint64_t addr)
{
	uint32_t low = 0, high = names->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (names->rows[middle].start <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low && names->rows[low - 1].reach > addr; low--)
		if (names->rows[low - 1].end > addr)
			return &names->rows[low - 1];
	return NULL;
}

static bool elf_names_text(const struct elf_variable *row, char *buf, size_t size)
{
	const char *text;
	size_t n;

	if (!row->ours)
		return peek_safe_text(row->name, buf, size) && buf[0];
	text = (const char *)(uintptr_t)row->name;
	n = strnlen(text, size - 1);
	memcpy(buf, text, n);
	buf[n] = 0;
	return n > 0;
}

static size_t elf_names_put(char *line, size_t pos, const char *text)
{
	size_t size = strnlen(text, LINE_MAX - 1 - pos);

	memcpy(line + pos, text, size);
	return pos + size;
}

static size_t elf_names_put_number(char *line, size_t pos, uint64_t value, unsigned base)
{
	char digits[24], *at = digits + sizeof(digits) - 1;

	*at = 0;
	do
		*--at = "0123456789abcdef"[value % base];
	while (value /= base);
	return elf_names_put(line, pos, at);
}

uint32_t elf_names_of(struct walk *w, struct elf_names *names, uint64_t addr)
{
	const struct elf_variable *row;
	char line[LINE_MAX], name[NAME_MAX];
	size_t pos = elf_names_put(line, 0, names->library);

	if (names->path)
		elf_names_load(w, names);
	row = elf_names_find(names, addr);
	if (row && elf_names_text(row, name, sizeof(name))) {
		pos = elf_names_put(line, pos, ":");
		pos = elf_names_put(line, pos, name);
		if (addr > row->start) {
			pos = elf_names_put(line, pos, "+");
			pos = elf_names_put_number(line, pos, addr - row->start, 10);
		}
	} else {
		pos = elf_names_put(line, pos, "+0x");
		pos = elf_names_put_number(line, pos, addr - names->base, 16);
	}
	return strings_add(w, line, pos);
}
