/* SPDX-License-Identifier: MIT */
/* initial_stack - see initial_stack.h. */
#include "loader/target/initial_stack.h"

#include <elf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/target/process.h"

enum {
	INITIAL_STACK_WORDS = 65536, /* of argv, envp and the vector, looked through */
	INITIAL_STACK_TEXT = 4 << 20,
	STAT_STARTSTACK = 28,
	STAT_ENV_START = 50,
	STAT_ENV_END = 51,
};

/* Field number `field`, as proc(5) counts, of its stat; 0: not told. */
static uint64_t initial_stack_stat(pid_t pid, pid_t tid, int field)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	char *text = process_read_text(path, 4096, NULL);
	char *at = text ? strrchr(text, ')') : NULL;
	for (int i = 2; at && i < field; i++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	const uint64_t value = at ? strtoull(at, NULL, 10) : 0;
	free(text);
	return value;
}

/* Pairs of words up to AT_NULL: the value of key if that is such a vector. */
static bool initial_stack_find(const uint64_t *word, size_t count, uint64_t key,
			       uint64_t *ret)
{
	bool page = false;

	*ret = 0;
	for (size_t i = 0; i + 2 <= count; i += 2) {
		if (word[i] == AT_NULL)
			return page; /* every kernel tells its page size */
		page |= word[i] == AT_PAGESZ;
		if (word[i] == key)
			*ret = word[i + 1];
	}
	return false;
}

/* argc, argv, NULL, envp, NULL, the vector (System V ABI, "Process Initialization"). */
static uint64_t initial_stack_auxv_in(const uint64_t *word, size_t count, uint64_t key)
{
	uint64_t value;

	if (count < 2 || word[0] > count - 2 || word[word[0] + 1])
		return 0;
	for (size_t i = word[0] + 2; i < count; i++)
		if (!word[i] && /* a program may have cut its environment short */
		    initial_stack_find(word + i + 1, count - i - 1, key, &value))
			return value;
	return 0;
}

uint64_t initial_stack_auxv_in_memory(pid_t pid, pid_t tid, const struct memory *memory,
				      uint64_t key)
{
	const uint64_t start = initial_stack_stat(pid, tid, STAT_STARTSTACK);
	const size_t room = INITIAL_STACK_WORDS * sizeof(uint64_t);
	uint64_t *word = start ? malloc(room) : NULL;
	uint64_t value = 0;

	if (word) {
		const size_t size = memory_read_some(memory, start, word, room);

		value = initial_stack_auxv_in(word, size / sizeof(*word), key);
	}
	free(word);
	return value;
}

uint64_t initial_stack_auxv(pid_t pid, pid_t tid, const struct memory *memory,
			    uint64_t key)
{
	char path[64];
	size_t size = 0;
	uint64_t value = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/auxv", pid, tid);
	uint64_t *word = (uint64_t *)(void *)process_read_text(path, 65536, &size);
	if (!word)
		return initial_stack_auxv_in_memory(pid, tid, memory, key);
	initial_stack_find(word, size / sizeof(*word), key, &value);
	free(word);
	return value;
}

char *initial_stack_environment_in_memory(pid_t pid, pid_t tid, size_t *size_ret)
{
	struct memory memory;
	char *text = NULL;

	if (memory_open(pid, tid, &memory))
		return NULL;
	const uint64_t start = initial_stack_stat(pid, tid, STAT_ENV_START);
	const uint64_t end = initial_stack_stat(pid, tid, STAT_ENV_END);
	if (start && end > start && end - start <= INITIAL_STACK_TEXT)
		text = malloc((size_t)(end - start) + 1);
	if (text) {
		*size_ret = memory_read_some(&memory, start, text, (size_t)(end - start));
		text[*size_ret] = 0;
	}
	memory_close(&memory);
	return text;
}

char *initial_stack_environment(pid_t pid, pid_t tid, size_t *size_ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/environ", pid, tid);
	char *text = process_read_text(path, INITIAL_STACK_TEXT, size_ret);
	return text ? text : initial_stack_environment_in_memory(pid, tid, size_ret);
}
