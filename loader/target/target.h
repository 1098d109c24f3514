/* SPDX-License-Identifier: MIT */
/*
 * target - everything pymem-load knows of a process before it touches it:
 * identity, memory map, the modules that matter and the addresses in them.
 *
 * Made once, before anything is stopped, so that the stop stays short.  Reading
 * needs the same right as ptrace; where it is refused, diagnose.h says by what.
 */
#ifndef PYMEM_LOADER_TARGET_TARGET_H
#define PYMEM_LOADER_TARGET_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "loader/base/load_error.h"
#include "loader/target/elf_module.h"
#include "loader/target/maps.h"
#include "loader/target/process.h"

struct range {
	uint64_t start, end; /* [start, end); empty if equal */
};

static inline bool range_has(struct range r, uint64_t addr)
{
	return addr >= r.start && addr < r.end;
}

enum module_kind {
	MODULE_OTHER,
	MODULE_EXE,
	MODULE_LDSO,
	MODULE_LIBC,
	MODULE_LIBDL,
	MODULE_LIBPTHREAD,
};

struct module {
	enum module_kind kind;
	struct elf elf;
	struct range text; /* its executable mappings, first to last */
	const char *path;  /* the target's name of it; lives in target.maps */
	bool allocator;	   /* defines malloc and is neither libc nor ld.so */
};

enum libc_kind { LIBC_UNKNOWN, LIBC_GLIBC, LIBC_MUSL };

struct python {
	bool found;
	char version[80];   /* "3.11.2 (main, ...": printable, "" = unknown yet */
	unsigned hex;	    /* 0x030b02f0; 0 = unknown */
	const char *path;   /* module that holds the interpreter */
	struct elf elf;	    /* its symbols */
	uint64_t runtime;   /* _PyRuntime, 0 = before 3.7 or not exported */
	uint64_t current;   /* function _PyThreadState_UncheckedGet, 0 = absent */
	bool free_threaded; /* a build without a GIL (3.13+, Py_GIL_DISABLED) */
	int copies;	    /* modules that define an interpreter */
};

#define MODULE_LIMIT 8192
#define TARGET_RESTORERS 8
#define TARGET_UNSAFE 8

/* Addresses in the target's C library and dynamic loader; 0 = absent. */
struct target_calls {
	uint64_t dlopen, dlclose, dlerror, errno_location, exit;
	bool internal_dlopen;		      /* __libc_dlopen_mode: other flags */
	uint64_t gadget;		      /* a system call, then a return */
	uint64_t restorer;		      /* a trampoline of rt_sigreturn */
	uint64_t restorers[TARGET_RESTORERS]; /* every one found */
	int restorer_count;
	uint64_t loader_locks[4]; /* recursive mutexes of ld.so: all must be free */
	int loader_lock_count;
	struct range loader_code;	    /* what may hold them */
	struct range unsafe[TARGET_UNSAFE]; /* allocator and thread creation code */
	int unsafe_count;
	uint64_t kept_start;  /* pymem_agent_start of an agent that stayed, 0 = none */
	uint64_t kept_handle; /* its struct link_map, 0 = unknown */
	struct range kept;    /* where it lies */
};

#define TARGET_USED 16

struct target {
	pid_t pid;
	struct process process;
	bool starting;	      /* no C library is there, as yet or at all */
	bool confined;	      /* some thread of it has a seccomp filter */
	bool confined_softly; /* ... none of which can end it: allowed_process knows */
	int pidfd;	      /* -1: the kernel has none (before 5.3) */
	struct memory mem;
	struct maps maps;
	struct module *modules;
	int module_count;
	unsigned emulated; /* ELF machine of a CPython of another processor, 0 = none */
	struct module *exe, *ldso, *libc; /* NULL = not found */
	enum libc_kind libc_kind;
	struct range vdso;
	uint8_t *code; /* libc's text, for looking at call sites */
	struct range code_range;
	struct target_calls calls;
	struct python python;
	struct range used[TARGET_USED]; /* where loaders before us let threads run; */
	int used_count;			/* a thread in there must not be borrowed */
};

/*
 * Inspects pid.  0, or -1 with *err set: gone, no permission (and by which rule),
 * traced, kernel thread, zombie, 32-bit, not CPython (unless any_process: then
 * ret->python.found may be false)...  The caller closes a target that was opened.
 */
int target_open(pid_t pid, bool any_process, struct target *ret, struct load_error *err);
void target_close(struct target *target);

/* Is it still the same process (pid, start time) and not a zombie? -1 with *err. */
int target_check(const struct target *target, struct load_error *err);
/* Is it gone for certain?  What can't be looked at is taken to be there. */
bool target_gone(const struct target *target);

/*
 * Is the address space the one that was inspected? After an exec every address
 * in here means something else: to be asked again once a thread is stopped.
 */
bool target_same_memory(const struct target *target);

/*
 * Is there an agent in the target's memory now (read anew from its maps)?
 * Returns the address of its first mapping, 0 = none; ret_bytes: what of its file is
 * mapped, or NULL.
 */
uint64_t target_find_agent(pid_t pid, pid_t tid, uint64_t *ret_bytes);

#endif
