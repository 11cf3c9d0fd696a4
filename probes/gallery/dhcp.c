/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks for an address as BusyBox udhcpc does: a DHCPDISCOVER (RFC 2131) every two seconds.
 */
#include "gallery.h"

enum { /* linux/sockios.h, linux/if.h, asm-generic/socket.h */
	SIOCGIFFLAGS = 0x8913, SIOCSIFFLAGS = 0x8914, SIOCGIFHWADDR = 0x8927, IFF_UP = 1,
	AF_INET = 2, SOCK_DGRAM = 2, SOL_SOCKET = 1, SO_BROADCAST = 6, SO_RCVTIMEO = 20, SO_BINDTODEVICE = 25,
};

struct address { u16 family, port; u8 ip[4], zero[8]; };
struct request { char name[16]; union { short flags; u8 bytes[24]; } of; };

static void say_lease(const u8 *ip)
{
	TEXT(line, 120);

	text_add(&line, "udhcpc: lease of ");
	for (int part = 0; part < 4; part++) {
		if (part)
			text_add(&line, ".");
		text_add_number(&line, ip[part]);
	}
	text_add(&line, " obtained from server, lease time 86400");
	say(line.data);
}

void ask_dhcp(const char *name, int tries)
{
	struct address to = { .family = AF_INET, .port = 67 << 8, .ip = { 255, 255, 255, 255 } };
	struct address from = { .family = AF_INET, .port = 68 << 8 };
	struct { long seconds, microseconds; } patience = { 2, 0 };
	/* RFC 2131, figure 1: request over Ethernet, a transaction, answer by broadcast; the cookie, DISCOVER. */
	static u8 packet[300] = { 1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, [10] = 0x80,
				  [236] = 99, 130, 83, 99, 53, 1, 1, 255 };
	static u8 answer[1500];
	struct request request;
	struct text own = { request.name, sizeof(request.name), 0 };
	long net = SYSCALL(socket, AF_INET, SOCK_DGRAM, 0, 0, 0, 0), result;
	int yes = 1;

	memset(&request, 0, sizeof(request));
	text_add(&own, name);
	result = net < 0 ? net : SYSCALL(ioctl, net, SIOCGIFHWADDR, &request, 0, 0, 0);
	if (result < 0) {
		report("udhcpc: ", "SIOCGIFINDEX", ": ", result);
		return;
	}
	memcpy(packet + 28, request.of.bytes + 2, 6); /* struct sockaddr: two bytes of family first */
	SYSCALL(ioctl, net, SIOCGIFFLAGS, &request, 0, 0, 0);
	request.of.flags |= IFF_UP;
	SYSCALL(ioctl, net, SIOCSIFFLAGS, &request, 0, 0, 0);
	SYSCALL(setsockopt, net, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes), 0);
	SYSCALL(setsockopt, net, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience), 0);
	SYSCALL(setsockopt, net, SOL_SOCKET, SO_BINDTODEVICE, name, text_length(name) + 1, 0);
	result = SYSCALL(bind, net, &from, sizeof(from), 0, 0, 0);
	if (result < 0)
		report("udhcpc: ", "bind", ": ", result);
	say("udhcpc: started, v1.36.1");
	while (tries-- > 0) {
		say("udhcpc: broadcasting discover");
		SYSCALL(sendto, net, packet, sizeof(packet), 0, &to, sizeof(to));
		if (SYSCALL(recvfrom, net, answer, sizeof(answer), 0, NULL, NULL) > 240 && answer[0] == 2) {
			say_lease(answer + 16);
			return;
		}
	}
	say("udhcpc: no lease, failing");
}
