/* SPDX-License-Identifier: MIT */
/*
 * replace - a file that is whole takes the place of another, so that after a crash there
 * is the old one or the new one and never a part.
 */
#ifndef PYMEM_FORMATS_CORE_REPLACE_H
#define PYMEM_FORMATS_CORE_REPLACE_H

/*
 * Brings the file `temporary`, which nobody writes to any more, to the disk, gives it the
 * name `path` in the same folder and brings that to the disk too.  0 or a negative errno;
 * then `temporary` is unlinked unless it already has its name.
 */
int replace_commit(const char *temporary, const char *path);

#endif
