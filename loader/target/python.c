/* SPDX-License-Identifier: MIT */
/*
 * python - see python.h.
 *
 * A module is an interpreter if it exports both PyType_Type and Py_GetVersion
 * (all of CPython 3.x does, static or shared, stripped or not; an extension
 * module imports them).  The version's text lies in the static buffer that
 * Py_GetVersion fills at start-up (Python/getversion.c): it has no symbol, but
 * is easily told in the module's writable data.  Py_Version (3.11+,
 * Include/pylifecycle.h) is the exact number.
 */
#include "loader/target/python.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/core/python_version.h"
#include "loader/target/memory.h"

#define SCAN_CHUNK 65536
#define SCAN_LIMIT ((uint64_t)16 << 20)

static bool python_take_version(struct python *py, const char *p, const char *end)
{
	if (!python_version_length(p, end))
		return false;
	size_t n = 0;
	while (p < end && n < sizeof(py->version) - 1 && *p >= ' ' && *p < 127)
		py->version[n++] = *p++;
	while (n && py->version[n - 1] == ' ')
		n--;
	py->version[n] = 0;
	return true;
}

static bool python_scan_range(struct python *py, const struct memory *mem, uint64_t start,
			      uint64_t end)
{
	char *buf = malloc(SCAN_CHUNK);
	bool found = false;

	if (end - start > SCAN_LIMIT)
		end = start + SCAN_LIMIT;
	/* chunks overlap by the length of a version text; buffers are 8-aligned or not */
	for (uint64_t at = start; buf && !found && at < end; at += SCAN_CHUNK - 256) {
		size_t want = end - at < SCAN_CHUNK ? (size_t)(end - at) : SCAN_CHUNK;
		size_t n = memory_read_some(mem, at, buf, want);

		for (char *p = buf; n && (p = memchr(p, '3', n - (size_t)(p - buf)));
		     p++) {
			if ((found = (p == buf || !p[-1]) &&
				     python_take_version(py, p, buf + n)))
				break;
		}
	}
	free(buf);
	return found;
}

static void python_read_version(struct target *t, const struct module *m)
{
	uint64_t number = elf_module_address(&m->elf, "Py_Version"), value;

	if (number && memory_read_u64(&t->mem, number, &value) && value >> 24 == 3)
		t->python.hex = (unsigned)value;
	for (size_t i = 0; i < t->maps.count; i++) {
		const struct map *map = &t->maps.list[i];

		if (map->w && map->start >= m->elf.base && map->start < m->elf.end &&
		    python_scan_range(&t->python, &t->mem, map->start, map->end))
			break;
	}
	unsigned minor, micro;
	if (!t->python.hex && sscanf(t->python.version, "3.%u.%u", &minor, &micro) == 2 &&
	    minor < 256 && micro < 256)
		t->python.hex = 3u << 24 | minor << 16 | micro << 8 | 0xf0;
	if (!t->python.version[0] && t->python.hex)
		snprintf(t->python.version, sizeof(t->python.version), "3.%u.%u",
			 t->python.hex >> 16 & 255, t->python.hex >> 8 & 255);
}

void python_find(struct target *t)
{
	const struct module *chosen = NULL;

	t->python = (struct python){ 0 };
	for (int i = 0; i < t->module_count; i++) {
		const struct module *m = &t->modules[i];

		if (!elf_module_address(&m->elf, "PyType_Type") ||
		    !elf_module_address(&m->elf, "Py_GetVersion"))
			continue;
		t->python.copies++;
		if (!chosen || m == t->exe)
			chosen = m;
	}
	if (!chosen)
		return;
	t->python.found = true;
	t->python.path = chosen->path;
	t->python.elf = chosen->elf;
	t->python.runtime = elf_module_address(&chosen->elf, "_PyRuntime");
	/* counts references in two halves (Include/object.h, Py_GIL_DISABLED) */
	t->python.free_threaded =
		elf_module_address(&chosen->elf, "_Py_MergeZeroLocalRefcount");
	t->python.current =
		elf_module_address(&chosen->elf, "_PyThreadState_UncheckedGet");
	python_read_version(t, chosen);
}

bool python_is_named(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	return !strncmp(name, "python3", 7) || !strncmp(name, "libpython3", 10);
}

const char *python_absence(const struct target *t)
{
	for (int i = 0; i < t->module_count; i++) {
		const char *name = strrchr(t->modules[i].path, '/');

		name = name ? name + 1 : t->modules[i].path;
		if (!strncmp(name, "pypy", 4) || !strncmp(name, "libpypy", 7))
			return "it runs PyPy, whose heap is laid out differently";
		if (!strncmp(name, "python2", 7) || !strncmp(name, "libpython2", 10))
			return "it runs Python 2";
	}
	return "neither its program nor a library it loaded exports CPython's API";
}
