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

#include <stdbool.h>

#define UPLOAD_WHY 160

/* Waits for its end; what it prints on standard output is thrown away. False with a
 * clause in why: it failed, or the path is no file that it could be given. */
bool upload_run(const char *command, const char *path, char why[UPLOAD_WHY]);

#endif
