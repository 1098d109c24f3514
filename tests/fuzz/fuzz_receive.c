/* SPDX-License-Identifier: MIT */
/*
 * fuzz_receive - an agent that says anything: packets on the control channel and bytes
 * on the stream, in the order of the input.  Each piece is two bytes (where, and with
 * what nonce, in the lowest bits; the size in the others), then its bytes.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "loader/capture/capture_facts.h"
#include "loader/capture/receive.h"

#define NONCE UINT64_C(0x1122334455667788)
#define MS UINT64_C(1000000)

enum { TO_STREAM = 1, TRUE_NONCE = 2, SIZE_SHIFT = 2, PACKET_MAX = 8192 };

static void say(struct fuzz_input *in, int control, int stream)
{
	uint8_t packet[PACKET_MAX];

	while (in->left > 2) {
		const unsigned head = (unsigned)fuzz_take(in, 2);
		size_t n = (head >> SIZE_SHIFT) % PACKET_MAX;

		if (n > in->left)
			n = in->left;
		memcpy(packet, in->data, n);
		if (head & TRUE_NONCE && n >= sizeof(struct pymem_msg))
			memcpy(packet + offsetof(struct pymem_msg, nonce),
			       &(uint64_t){ NONCE }, sizeof(uint64_t));
		/* what the channels don't hold is lost: nobody reads yet */
		send(head & TO_STREAM ? stream : control, packet, n,
		     MSG_NOSIGNAL | MSG_DONTWAIT);
		in->data += n;
		in->left -= n;
	}
}

static void check(const struct receive_result *got)
{
	const char *const texts[] = { got->fail_text, got->gil_holder, got->phase };

	fuzz_expect(memchr(got->crash_type, '\0', sizeof(got->crash_type)) != NULL);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		for (const char *p = texts[i]; *p; p++)
			fuzz_expect((unsigned char)*p >= ' ' && *p != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct capture_result facts = { .status = CAPTURE_PARTIAL, .method = "agent" };
	struct receive_result got;
	struct part part;
	int c[2], s[2];

	fuzz_expect(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, c) == 0);
	fuzz_expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == 0);
	const int file = memfd_create("part", MFD_CLOEXEC);
	const struct injection injection = { .pid = getpid(),
					     .pidfd = -1,
					     .control_fd = c[0],
					     .command_fd = c[0],
					     .stream_fd = s[0],
					     .nonce = NONCE };
	const struct receive_options options = { .cancel_fd = -1,
						 .hello_ns = 20 * MS,
						 .gil_timeout_ns = 20 * MS,
						 .timeout_ns = 20 * MS,
						 .grace_ns = 20 * MS };

	say(&in, c[1], s[1]);
	close(c[1]);
	close(s[1]);
	part_init(&part, file, true, NULL);
	fuzz_expect(part_begin(&part) == 0);
	receive_run(&injection, &part, &options, &got);
	check(&got);
	if (part.written > 0)
		capture_facts_finish(&part, &facts);
	fuzz_expect(part.written == (uint64_t)lseek(file, 0, SEEK_END));
	part_deinit(&part);
	close(file);
	close(c[0]);
	close(s[0]);
	return 0;
}
