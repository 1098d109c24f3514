/* SPDX-License-Identifier: MIT */
/* notice - see notice.h. */
#include "agent/trigger/notice.h"

#include "agent/base/sys.h"

void notice_say(const char *sentence, const char *detail)
{
	char buf[2048];
	struct phrase t;

	phrase_init(&t, buf, sizeof(buf) - 1);
	phrase_str(&t, "pymem: ");
	phrase_str(&t, sentence);
	if (detail && detail[0]) {
		phrase_str(&t, ": ");
		phrase_str(&t, detail);
	}
	buf[t.used++] = '\n';
	sys_write(2, buf, t.used);
}

/* What the agent may meet; the refusals of destination.c and of control_socket.c too. */
static const struct {
	int number;
	const char *words;
} notice_causes[] = {
	{ EACCES, "no permission" },
	{ EBUSY, "the one before isn't made yet" },
	{ EADDRINUSE, "the name is in use" },
	{ EDQUOT, "the quota of disk space is used up" },
	{ EEXIST, "what is there is no file, and stays" },
	{ EFBIG, "a limit of file sizes" },
	{ EIO, "an error of input or output" },
	{ EISDIR, "a folder" },
	{ ELOOP, "a symbolic link, name what it leads to" },
	{ EMFILE, "no descriptor is left" },
	{ ENAMETOOLONG, "the name is too long" },
	{ ENFILE, "no descriptor is left" },
	{ ENOMEM, "no memory is left for it" },
	{ ENOENT, "no such file or directory" },
	{ ENOSPC, "no space is left on the device" },
	{ ENOTBLK, "a disk, which is not written to" },
	{ ENOTDIR, "no directory" },
	{ ENOTUNIQ, "the directory must be ours alone (mode 0700)" },
	{ ENOTTY, "a terminal, which is not written to" },
	{ ENXIO, "nobody reads it" },
	{ ECONNREFUSED, "nobody listens there" },
	{ EPERM, "not permitted" },
	{ EROFS, "the file system is read-only" },
};

void notice_cause(struct phrase *t, long rc)
{
	for (size_t i = 0; i < sizeof(notice_causes) / sizeof(notice_causes[0]); i++) {
		if (notice_causes[i].number == -rc) {
			phrase_str(t, notice_causes[i].words);
			return;
		}
	}
	phrase_str(t, "errno ");
	phrase_u64(t, (uint64_t)-rc);
}

void notice_say_cause(const char *sentence, const char *path, long rc)
{
	char buf[1536];
	struct phrase t;

	phrase_init(&t, buf, sizeof(buf));
	phrase_str(&t, path);
	phrase_str(&t, path[0] ? ": " : "");
	notice_cause(&t, rc);
	notice_say(sentence, buf);
}
