/* SPDX-License-Identifier: MIT */
/*
 * core_file - an ELF core file: what it has of a process's memory, and its notes.
 *
 * core(5), elf(5); the notes as fs/binfmt_elf.c writes them (NT_PRSTATUS, NT_PRPSINFO,
 * NT_AUXV, NT_FILE), and gdb's gcore after it.  The file is mapped, or unpacked first
 * into a file without a name (.zst, as systemd-coredump packs them).  Nothing in it is
 * believed: offsets and counts are held against the file's size, what doesn't fit is
 * left out and counted.
 */
#ifndef PYMEM_LOADER_CORE_CORE_FILE_H
#define PYMEM_LOADER_CORE_CORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A PT_LOAD: memory that the process had. */
struct core_load {
	uint64_t start, end;
	uint64_t have;		    /* bytes from start on that the file has */
	uint64_t told;		    /* bytes that the core should have, if it is whole */
	const unsigned char *bytes; /* of them; NULL where there are none */
	bool r, w, x;
};

/* What NT_FILE says of a mapping. */
struct core_mapped {
	uint64_t start, end, offset; /* offset: bytes in the file */
	const char *path;
};

struct core_file {
	const unsigned char *bytes;
	uint64_t size;
	struct core_load *loads; /* ascending, apart */
	size_t load_count;
	struct core_mapped *mapped; /* ascending */
	size_t mapped_count;
	uint64_t missing;  /* bytes that the headers promise and the file doesn't have */
	uint64_t left_out; /* segments that overlap others, or can't be */
	pid_t pid;	   /* 0 = no note tells */
	uid_t uid;
	bool uid_known;
	int signal; /* that ended it; 0 = none, or not told */
	uint32_t threads;
	char command[81]; /* "" = not told; not terminated text of the target's */
	uint64_t entry, vdso, file_name; /* of the auxiliary vector; 0 = not told */
	bool sparse; /* the file has holes, where nothing was in memory */
	int fd;	     /* of it, if so */
};

/*
 * Maps the core that descriptor fd is.  scratch: an empty file that may be written, for
 * one that is packed; -1 = none.  0, or -1 with a sentence in error, which names it.
 */
int core_file_open(int fd, int scratch, const char *name, struct core_file *ret,
		   char error[512]);
void core_file_close(struct core_file *core);

/* Reads the headers of a core in memory, without holes: what core_file_open does with its
 * bytes. */
int core_file_parse(const char *name, struct core_file *core, char error[512]);

#endif
