/* SPDX-License-Identifier: Apache-2.0
 *
 * One network interface: up, carrier, and what a DHCP server offers or leases on it (RFC 2131).
 *
 * DHCP goes through an ordinary UDP socket bound to the interface: no packet socket, hence no further module.
 */
#include "guest.h"
#include "link.h"

enum { /* linux/sockios.h, linux/if.h, asm-generic/socket.h, linux/in.h */
	SIOCGIFFLAGS = 0x8913, SIOCSIFFLAGS = 0x8914, SIOCGIFHWADDR = 0x8927, IFF_UP = 1,
	AF_INET = 2, SOCK_DGRAM = 2, SOCK_CLOEXEC = 02000000, SOL_SOCKET = 1, SO_REUSEADDR = 2, SO_BROADCAST = 6,
	SO_BINDTODEVICE = 25, POLLIN = 1,
};
enum { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACKNOWLEDGE = 5 }; /* RFC 2132, option 53 */

struct interface_request { char name[16]; union { short flags; u8 bytes[24]; } of; };
struct address { u16 family, port; u8 ip[4], zero[8]; };
struct message { /* RFC 2131, figure 1; the cookie begins the options */
	u8 operation, hardware, hardware_length, hops;
	u8 transaction[4];
	u8 seconds[2], flags[2];
	u8 client[4], yours[4], server[4], relay[4];
	u8 address[16], name[64], file[128];
	u8 cookie[4], options[308];
};

static const u8 transaction[4] = { 'b', 'o', 'o', 't' };

static long udp(void)
{
	return SYSCALL(socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0, 0, 0);
}

void link_path(struct text *to, const char *name, const char *rest)
{
	to->used = 0;
	text_add(to, "/sys/class/net/");
	text_add(to, name);
	text_add(to, rest);
}

int link_raise(struct outcome *outcome, const char *name)
{
	struct interface_request request;
	long fd = udp();
	int up;

	if (failed(outcome, "socket", fd))
		return 0;
	memset(&request, 0, sizeof(request));
	memcpy(request.name, name, (size_t)text_length(name));
	up = !failed(outcome, "get-flags", SYSCALL(ioctl, fd, SIOCGIFFLAGS, &request, 0, 0, 0));
	request.of.flags |= IFF_UP;
	up = up && !failed(outcome, "set-up", SYSCALL(ioctl, fd, SIOCSIFFLAGS, &request, 0, 0, 0));
	close_file(fd);
	return up;
}

int link_has_carrier(const char *name)
{
	char value[8];
	TEXT(path, 200);

	link_path(&path, name, "/carrier");
	return read_file(path.data, value, sizeof(value)) > 0 && value[0] == '1';
}

static u16 big_endian(u16 value)
{
	return (u16)(value >> 8 | value << 8);
}

static long open_client(struct outcome *outcome, const char *name, u8 *hardware)
{
	struct interface_request request;
	struct address any = { .family = AF_INET, .port = big_endian(68) };
	long fd = udp();
	int on = 1;

	memset(&request, 0, sizeof(request));
	memcpy(request.name, name, (size_t)text_length(name));
	if (failed(outcome, "socket", fd) ||
	    failed(outcome, "get-address", SYSCALL(ioctl, fd, SIOCGIFHWADDR, &request, 0, 0, 0)) ||
	    failed(outcome, "broadcast", SYSCALL(setsockopt, fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on), 0)) ||
	    failed(outcome, "bind-to-device",
		   SYSCALL(setsockopt, fd, SOL_SOCKET, SO_BINDTODEVICE, name, text_length(name), 0)) ||
	    failed(outcome, "bind", SYSCALL(bind, fd, &any, sizeof(any), 0, 0, 0)))
		return -1;
	memcpy(hardware, request.of.bytes + 2, 6); /* struct sockaddr: two bytes of family first */
	return fd;
}

static const u8 *dhcp_option(const struct message *message, long size, u8 code)
{
	const u8 *at = message->options, *end = (const u8 *)message + size;

	while (at + 2 <= end && *at != 255) {
		if (*at == 0) {
			at++;
			continue;
		}
		if (at + 2 + at[1] > end)
			break;
		if (*at == code)
			return at;
		at += 2 + at[1];
	}
	return NULL;
}

/* Send one message and wait for the answer of the kind expected, again and again for 6 s. */
static long ask(long fd, struct message *out, long size, u8 expected, struct message *in)
{
	struct address all = { .family = AF_INET, .port = big_endian(67), .ip = { 255, 255, 255, 255 } };
	long until = now_ms() + 6000, sent = 0;

	while (now_ms() < until) {
		struct { int fd; short events, revents; } poll = { (int)fd, POLLIN, 0 };
		struct { long seconds, nanoseconds; } second = { 1, 0 };
		const u8 *kind;
		long got;

		sent = SYSCALL(sendto, fd, out, size, 0, &all, sizeof(all));
		if (sent < 0) {
			sleep_ms(200);
			continue;
		}
		while (SYSCALL(ppoll, &poll, 1, &second, NULL, 0, 0) > 0) {
			memset(in, 0, sizeof(*in));
			got = SYSCALL(recvfrom, fd, in, sizeof(*in), 0, NULL, NULL);
			if (got < 240 || in->operation != 2 || memcmp(in->transaction, transaction, 4))
				continue;
			kind = dhcp_option(in, got, 53);
			if (kind && kind[1] == 1 && kind[2] == expected)
				return got;
		}
	}
	return sent < 0 ? sent : -ETIMEDOUT;
}

static void add_option(struct message *message, int *used, u8 code, u8 length, const void *value)
{
	message->options[(*used)++] = code;
	message->options[(*used)++] = length;
	memcpy(message->options + *used, value, length);
	*used += length;
}

static void begin(struct message *message, u8 kind, const u8 *hardware, int *used)
{
	static const u8 cookie[4] = { 99, 130, 83, 99 };

	memset(message, 0, sizeof(*message));
	message->operation = 1;
	message->hardware = 1;
	message->hardware_length = 6;
	memcpy(message->transaction, transaction, 4);
	message->flags[0] = 0x80; /* answer by broadcast: there is no address yet */
	memcpy(message->address, hardware, 6);
	memcpy(message->cookie, cookie, 4);
	*used = 0;
	add_option(message, used, 53, 1, &kind);
}

int link_address(struct outcome *outcome, const char *name, int lease, struct text *address)
{
	static struct message out, in;
	u8 hardware[6], offered[4];
	const u8 *server;
	long fd = open_client(outcome, name, hardware), got;
	int used;

	if (fd < 0)
		return 0;
	begin(&out, DISCOVER, hardware, &used);
	out.options[used] = 255;
	got = ask(fd, &out, sizeof(out), OFFER, &in);
	if (!failed(outcome, "dhcp-discover", got) && lease) {
		memcpy(offered, in.yours, 4);
		server = dhcp_option(&in, got, 54);
		begin(&out, REQUEST, hardware, &used);
		add_option(&out, &used, 50, 4, offered);
		if (server && server[1] == 4)
			add_option(&out, &used, 54, 4, server + 2);
		out.options[used] = 255;
		got = ask(fd, &out, sizeof(out), ACKNOWLEDGE, &in);
		failed(outcome, "dhcp-request", got);
	}
	close_file(fd);
	for (int part = 0; got >= 0 && part < 4; part++) {
		if (part)
			text_add(address, ".");
		text_add_number(address, in.yours[part]);
	}
	return got >= 0;
}
