/* SPDX-License-Identifier: MIT */
/* standard_fds - see standard_fds.h. */
#include "formats/rights/standard_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void standard_fds_fill(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/", O_PATH | O_CLOEXEC) != fd)
			_exit(1);
	}
}
