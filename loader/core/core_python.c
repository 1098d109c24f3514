/* SPDX-License-Identifier: MIT */
/* core_python - see core_python.h. */
#include "loader/core/core_python.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/peek.h"
#include "agent/python/debug_offsets.h"
#include "loader/core/core_image.h"
#include "loader/cpu/cpu.h"
#include "loader/target/python.h"

enum {
	CORE_PYTHON_MODULES = 4096,
	CORE_PYTHON_RUNTIME = 1 << 20, /* bytes of _PyRuntime to look at, at most */
	CORE_PYTHON_DATA = 4 << 20,    /* 3.6: of the interpreter's own data */
	CORE_PYTHON_INTERP = 256
		<< 10,		       /* bytes of a state that may come before threads */
	CORE_PYTHON_DICTS = 8192,      /* ... before its dicts */
	CORE_PYTHON_INTERP_312 = 1024, /* ... up to 3.12 (struct _is) */
};

/* A thread state begins with previous, next and its interpreter, in every version
 * (Include/pystate.h, Include/cpython/pystate.h). */
enum { TSTATE_PREV = 0, TSTATE_NEXT = 8, TSTATE_INTERP = 16 };

/* ---- the interpreter's file ---- */

static int core_python_modules(const struct maps *maps, struct target *t)
{
	struct elf elf;

	t->modules = calloc(CORE_PYTHON_MODULES, sizeof(*t->modules));
	for (size_t i = 0;
	     t->modules && i < maps->count && t->module_count < CORE_PYTHON_MODULES;
	     i++) {
		const struct map *m = &maps->list[i];

		if (!m->offset && m->inode && m->path[0] == '/' &&
		    elf_module_open(&t->mem, m->start, &elf) &&
		    elf.machine == cpu_elf_machine)
			t->modules[t->module_count++] =
				(struct module){ .elf = elf, .path = m->path };
	}
	return t->modules ? 0 : -1;
}

static void *core_python_symbol(void *arg, const char *name)
{
	return (void *)(uintptr_t)elf_module_address(arg, name);
}

static int core_python_take(struct target *t, const char *name, struct core_python *ret,
			    char error[512])
{
	struct cpython *py = &ret->py;
	char why[256];

	if (!t->python.found)
		return snprintf(error, 512,
				"%.200s has no CPython in it that can be found: %s%s",
				name, python_absence(t),
				core_image_counted()->example[0] ?
					" (give the program with --exec, the folder with "
					"its libraries with --sysroot)" :
					""),
		       -1;
	if (t->python.free_threaded)
		return snprintf(error, 512,
				"%.200s is of a free-threaded build of CPython, whose "
				"cores pymem can't read; a living process it can",
				name),
		       -1;
	if (t->python.hex < 0x03060000)
		return snprintf(error, 512,
				"%.200s: the version of its CPython can't be told, or is "
				"before 3.6",
				name),
		       -1;
	py->version = t->python.hex >> 8;
	snprintf(py->version_text, sizeof(py->version_text), "%s", t->python.version);
	snprintf(ret->path, sizeof(ret->path), "%s", t->python.path);
	if (!symbols_fill(py, core_python_symbol, &t->python.elf, why, sizeof(why)))
		return snprintf(error, 512, "%.200s: %s", name, why), -1;
	return 0;
}

/* ---- its states ---- */

static uint64_t core_python_word(uint64_t addr)
{
	uint64_t word = 0;

	return peek_plausible(addr) && !(addr & 7) && peek_safe64(addr, &word) ? word : 0;
}

/* Does a word of an interpreter's state lead to one of its thread states? */
static bool core_python_is_thread(uint64_t tstate, uint64_t interp)
{
	const uint64_t prev = core_python_word(tstate + TSTATE_PREV),
		       next = core_python_word(tstate + TSTATE_NEXT);

	return core_python_word(tstate + TSTATE_INTERP) == interp &&
		(!prev || core_python_word(prev + TSTATE_NEXT) == tstate) &&
		(!next || core_python_word(next + TSTATE_PREV) == tstate);
}

/*
 * The newest of an interpreter's thread states, one of which its first `size` bytes lead
 * to; 0: it is no interpreter's state.
 */
static uint64_t core_python_threads(uint64_t interp, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += 8) {
		uint64_t tstate, prev;

		if (!peek_safe64(interp + at, &tstate))
			break;
		if (!peek_plausible(tstate) || tstate == interp ||
		    !core_python_is_thread(tstate, interp))
			continue;
		for (unsigned n = 0; n < INTERPRETERS_THREADS &&
		     (prev = core_python_word(tstate + TSTATE_PREV));
		     n++)
			tstate = prev;
		return tstate;
	}
	return 0;
}

static void core_python_add_threads(struct interpreters_image *image, uint64_t tstate)
{
	const uint8_t owner = (uint8_t)(image->count - 1);

	for (; tstate && image->nthreads < INTERPRETERS_THREADS;
	     tstate = core_python_word(tstate + TSTATE_NEXT)) {
		image->owner[image->nthreads] = owner;
		image->threads[image->nthreads++] = tstate;
	}
}

static bool core_python_known(const struct interpreters_image *image, uint64_t interp)
{
	for (uint32_t i = 0; i < image->count; i++)
		if (image->interps[i] == interp)
			return true;
	return false;
}

/* Takes an interpreter and those that follow it. */
static void core_python_follow(struct interpreters_image *image, uint64_t interp,
			       uint64_t next_at, uint64_t size)
{
	uint64_t tstate;

	while (interp && image->count < INTERPRETERS_GIVEN &&
	       !core_python_known(image, interp) &&
	       (tstate = core_python_threads(interp, size))) {
		image->interps[image->count++] = interp;
		core_python_add_threads(image, tstate);
		interp = core_python_word(interp + next_at);
	}
}

/*
 * An interpreter's state has the dicts of sys.modules, sys and builtins not far from its
 * beginning; other structures to which something that looks like a thread's state leads
 * back don't.
 */
static bool core_python_has_dicts(const struct cpython *py, uint64_t interp)
{
	const uint64_t dict = CPYTHON_ADDR(py, dict_type);
	unsigned found = 0;

	for (uint64_t at = 0; at < CORE_PYTHON_DICTS && found < 3; at += 8) {
		const uint64_t word = core_python_word(interp + at);

		found += word && core_python_word(word + 8) == dict;
	}
	return found >= 3;
}

/* The first word of a piece of memory that leads to an interpreter's state. */
static bool core_python_search(const struct cpython *py, struct interpreters_image *image,
			       uint64_t from, uint64_t size)
{
	for (uint64_t at = from & ~7ull; at + 8 <= from + size; at += 8) {
		const uint64_t word = core_python_word(at);

		/* its next one is its first word in 3.6 to 3.12 (struct _is) */
		if (peek_plausible(word) && !(word & 7) &&
		    core_python_threads(word, CORE_PYTHON_INTERP_312) &&
		    core_python_has_dicts(py, word)) {
			core_python_follow(image, word, 0, CORE_PYTHON_INTERP_312);
			return true;
		}
	}
	return false;
}

static void core_python_states(const struct maps *maps, const struct elf *elf,
			       struct core_python *ret)
{
	struct interpreters_image *image = &ret->interps;
	struct debug_offsets offsets;
	struct elf_symbol runtime = { 0 };
	bool found = false;

	ret->py.image = image;
	if (debug_offsets_read(&ret->py, &offsets)) {
		core_python_follow(image,
				   core_python_word(CPYTHON_ADDR(&ret->py, runtime) +
						    offsets.interpreters_head),
				   offsets.interp_next, CORE_PYTHON_INTERP);
	} else if (elf_module_symbol(elf, "_PyRuntime", &runtime)) {
		core_python_search(&ret->py, image, runtime.addr,
				   runtime.size < CORE_PYTHON_RUNTIME ?
					   runtime.size :
					   CORE_PYTHON_RUNTIME);
	} else {
		for (size_t i = 0; i < maps->count && !found; i++) {
			const struct map *m = &maps->list[i];

			if (m->w && m->start >= elf->base && m->start < elf->end)
				found = core_python_search(
					&ret->py, image, m->start,
					m->end - m->start < CORE_PYTHON_DATA ?
						m->end - m->start :
						CORE_PYTHON_DATA);
		}
	}
	if (image->count)
		image->main = image->interps[image->count - 1];
}

int core_python_find(const struct maps *maps, const char *name, struct core_python *ret,
		     char error[512])
{
	struct target t = { .pidfd = -1, .mem = core_image_memory(), .maps = *maps };
	int rc = core_python_modules(maps, &t);

	if (rc < 0) {
		snprintf(error, 512, "%.300s can't be read: out of memory", name);
		return rc;
	}
	python_find(&t);
	rc = core_python_take(&t, name, ret, error);
	if (!rc) {
		core_python_states(maps, &t.python.elf, ret);
		if (!ret->interps.count) {
			snprintf(error, 512,
				 "%.300s: CPython had no interpreter yet, or its state "
				 "is not in the core",
				 name);
			rc = -1;
		}
	}
	free(t.modules);
	return rc;
}
