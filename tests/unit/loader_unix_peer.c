/* SPDX-License-Identifier: MIT */
/* loader/unix_peer: the kernel tells which ends belong together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/target/unix_peer.h"

static uint64_t peer_test_inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void test_ends_of_a_pair(void **state)
{
	int a[2], b[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, a), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
	if (!unix_peer_inode(peer_test_inode(a[0])))
		skip(); /* a kernel without unix_diag */
	assert_int_equal(unix_peer_inode(peer_test_inode(a[0])), peer_test_inode(a[1]));
	assert_int_equal(unix_peer_inode(peer_test_inode(a[1])), peer_test_inode(a[0]));
	assert_int_equal(unix_peer_inode(peer_test_inode(b[1])), peer_test_inode(b[0]));
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

static void test_nothing_to_know(void **state)
{
	int lonely = socket(AF_UNIX, SOCK_STREAM, 0), pipes[2];

	(void)state;
	assert_true(lonely >= 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(unix_peer_inode(peer_test_inode(lonely)), 0);
	assert_int_equal(unix_peer_inode(peer_test_inode(pipes[0])), 0);
	assert_int_equal(unix_peer_inode(0), 0);
	assert_int_equal(unix_peer_inode(UINT64_MAX), 0);
	close(lonely);
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends_of_a_pair),
		cmocka_unit_test(test_nothing_to_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
