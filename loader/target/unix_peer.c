/* SPDX-License-Identifier: MIT */
/* unix_peer - see unix_peer.h. */
#include "loader/target/unix_peer.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>

struct unix_peer_request {
	struct nlmsghdr head;
	struct unix_diag_req body;
};

/* The peer in an answer of `size` bytes, which the kernel wrote. */
static uint64_t unix_peer_parse(struct nlmsghdr *head, int size)
{
	if (!NLMSG_OK(head, (unsigned)size) || head->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    head->nlmsg_len < NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
		return 0;
	struct unix_diag_msg *found = NLMSG_DATA(head);
	struct rtattr *a = (struct rtattr *)(found + 1);
	int left = (int)(head->nlmsg_len - NLMSG_LENGTH(sizeof(*found)));

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		uint32_t peer;

		if (a->rta_type != UNIX_DIAG_PEER || RTA_PAYLOAD(a) < sizeof(peer))
			continue;
		memcpy(&peer, RTA_DATA(a), sizeof(peer));
		return peer;
	}
	return 0;
}

uint64_t unix_peer_inode(uint64_t inode)
{
	union {
		struct nlmsghdr head;
		char bytes[4096];
	} answer;
	struct unix_peer_request request = {
		.head = { .nlmsg_len = sizeof(request),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST },
		.body = { .sdiag_family = AF_UNIX,
			  .udiag_states = UINT32_MAX,
			  .udiag_ino = (uint32_t)inode,
			  .udiag_show = UDIAG_SHOW_PEER,
			  .udiag_cookie = { UINT32_MAX, UINT32_MAX } },
	};
	uint64_t peer = 0;

	if (!inode || inode > UINT32_MAX)
		return 0;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return 0;
	/* it is answered before send() comes back (netlink_unicast_kernel) */
	if (send(fd, &request, sizeof(request), MSG_DONTWAIT) == sizeof(request)) {
		ssize_t n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);

		if (n > 0)
			peer = unix_peer_parse(&answer.head, (int)n);
	}
	close(fd);
	return peer;
}
