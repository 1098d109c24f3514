/* SPDX-License-Identifier: MIT */
/*
 * upload - --upload COMMAND: what is done with a finished file.
 *
 * The shell runs COMMAND with the file as its standard input and the file's path as $1.
 * Where COMMAND neither mentions $1 nor says that it reads standard input (a word "-",
 * "@-" or "/dev/stdin"), the path is put after it.
 */
#ifndef PYMEM_LOADER_COMMAND_UPLOAD_H
#define PYMEM_LOADER_COMMAND_UPLOAD_H

/* Waits for its end; what it prints on standard output is thrown away. Its exit status,
 * or -1. */
int upload_run(const char *command, const char *path);

#endif
