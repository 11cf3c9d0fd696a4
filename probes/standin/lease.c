/* SPDX-License-Identifier: Apache-2.0
 *
 * An IPv4 address by DHCP (RFC 2131) for the first Ethernet interface that has a carrier, over an ordinary
 * UDP socket bound to it; then the address and the default route are set, as Talos's controllers do.
 */
#include "standin.h"

enum { /* linux/sockios.h, linux/if.h, asm-generic/socket.h, linux/route.h */
	SIOCADDRT = 0x890b, SIOCGIFFLAGS = 0x8913, SIOCSIFFLAGS = 0x8914, SIOCSIFADDR = 0x8916,
	SIOCSIFNETMASK = 0x891c, SIOCGIFHWADDR = 0x8927, IFF_UP = 1, RTF_UP = 1, RTF_GATEWAY = 2,
	AF_INET = 2, SOCK_DGRAM = 2, SOL_SOCKET = 1, SO_BROADCAST = 6, SO_BINDTODEVICE = 25, POLLIN = 1,
	ARPHRD_ETHER = 1,
};
enum { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACKNOWLEDGE = 5 }; /* RFC 2132, option 53 */
enum { MASK = 1, ROUTER = 3, ASKED = 50, KIND = 53, SERVER = 54, END = 255 };

struct address { u16 family, port; u8 ip[4], zero[8]; };
struct request { char name[16]; union { short flags; struct address at; u8 bytes[24]; } of; };
struct route { /* linux/route.h: struct rtentry */
	u64 pad1;
	struct address to, by, mask;
	u16 flags, pad2;
	u64 pad3;
	u8 service, class;
	u16 pad4[3];
	u16 metric;
	char *device;
	u64 mtu, window;
	u16 initial;
};
struct message { /* RFC 2131, figure 1; the cookie begins the options */
	u8 operation, hardware, hardware_length, hops, transaction[4], seconds[2], flags[2];
	u8 client[4], yours[4], server[4], relay[4], address[16], name[64], file[128], cookie[4], options[308];
};

static u8 own_ip[4], mask[4], router[4];
static char link_name[16];
static int leased;
static const u8 transaction[4] = { 's', 't', 'i', 'n' };

static int is_ethernet(const char *name)
{
	char text[16];
	TEXT(path, 100);

	text_add(&path, "/sys/class/net/");
	text_add(&path, name);
	text_add(&path, "/type");
	return read_file(path.data, text, sizeof(text)) > 0 && text[0] == '0' + ARPHRD_ETHER && text[1] == '\n';
}

static int has_carrier(const char *name)
{
	char text[16];
	TEXT(path, 100);

	text_add(&path, "/sys/class/net/");
	text_add(&path, name);
	text_add(&path, "/carrier");
	return read_file(path.data, text, sizeof(text)) > 0 && text[0] == '1';
}

static void take_name(struct request *request, const char *name)
{
	memset(request, 0, sizeof(*request));
	memcpy(request->name, name, (size_t)text_length(name) < 15 ? (size_t)text_length(name) : 15);
}

/* Every Ethernet interface is brought up; the first with a carrier is taken. */
static int find_link(long fd)
{
	static char entries[4096];
	long folder = SYSCALL(openat, AT_FDCWD, "/sys/class/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0, 0), got;
	int found = 0;

	if (folder < 0)
		return 0;
	while (!found && (got = SYSCALL(getdents64, folder, entries, sizeof(entries), 0, 0, 0)) > 0)
		/* struct linux_dirent64: inode 8, offset 8, length 2, type 1, name */
		for (long at = 0; at < got && !found; at += *(u16 *)(entries + at + 16)) {
			const char *name = entries + at + 19;
			struct request request;

			if (name[0] == '.' || !is_ethernet(name))
				continue;
			take_name(&request, name);
			if (SYSCALL(ioctl, fd, SIOCGIFFLAGS, &request, 0, 0, 0) < 0)
				continue;
			if (!(request.of.flags & IFF_UP)) {
				request.of.flags |= IFF_UP;
				SYSCALL(ioctl, fd, SIOCSIFFLAGS, &request, 0, 0, 0);
			}
			if (has_carrier(name)) {
				memcpy(link_name, request.name, sizeof(link_name));
				found = 1;
			}
		}
	close_file(folder);
	return found;
}

static const u8 *option_of(const struct message *message, long size, u8 code)
{
	const u8 *at = message->options, *end = (const u8 *)message + size;

	while (at + 2 <= end && *at != END) {
		if (!*at) {
			at++;
			continue;
		}
		if (at + 2 + at[1] > end)
			break;
		if (*at == code)
			return at + 1;
		at += 2 + at[1];
	}
	return NULL;
}

static void add_option(struct message *to, int *used, u8 code, u8 length, const void *value)
{
	to->options[(*used)++] = code;
	to->options[(*used)++] = length;
	memcpy(to->options + *used, value, length);
	*used += length;
}

/* Send and wait for the answer of the kind expected, up to three times a second each. */
static long ask(long fd, const u8 *hardware, u8 kind, const u8 *wanted, const u8 *server, struct message *in)
{
	static struct message out;
	struct address all = { .family = AF_INET, .port = 67 << 8, .ip = { 255, 255, 255, 255 } };
	static const u8 cookie[4] = { 99, 130, 83, 99 }, asked_for[2] = { MASK, ROUTER };
	int used = 0;

	memset(&out, 0, sizeof(out));
	out.operation = 1;
	out.hardware = ARPHRD_ETHER;
	out.hardware_length = 6;
	memcpy(out.transaction, transaction, 4);
	out.flags[0] = 0x80; /* answer by broadcast: there is no address yet */
	memcpy(out.address, hardware, 6);
	memcpy(out.cookie, cookie, 4);
	add_option(&out, &used, KIND, 1, &kind);
	if (wanted)
		add_option(&out, &used, ASKED, 4, wanted);
	if (server)
		add_option(&out, &used, SERVER, 4, server);
	add_option(&out, &used, 55, 2, asked_for);
	out.options[used] = END;
	for (int attempt = 0; attempt < 3; attempt++) {
		struct { int fd; short events, revents; } poll = { (int)fd, POLLIN, 0 };
		struct { long seconds, nanoseconds; } second = { 1, 0 };

		if (SYSCALL(sendto, fd, &out, sizeof(out), 0, &all, sizeof(all)) < 0)
			return 0;
		while (SYSCALL(ppoll, &poll, 1, &second, NULL, 0, 0) > 0) {
			const u8 *found;
			long got;

			memset(in, 0, sizeof(*in));
			got = SYSCALL(recvfrom, fd, in, sizeof(*in), 0, NULL, NULL);
			if (got < 240 || in->operation != 2 || memcmp(in->transaction, transaction, 4))
				continue;
			found = option_of(in, got, KIND);
			if (found && found[0] == 1 && found[1] == (kind == DISCOVER ? OFFER : ACKNOWLEDGE))
				return got;
		}
	}
	return 0;
}

static long open_client(u8 *hardware)
{
	struct address any = { .family = AF_INET, .port = 68 << 8 };
	struct request request;
	long fd = SYSCALL(socket, AF_INET, SOCK_DGRAM | O_CLOEXEC, 0, 0, 0, 0);
	int on = 1;

	if (fd < 0)
		return fd;
	if (find_link(fd)) {
		take_name(&request, link_name);
		if (SYSCALL(ioctl, fd, SIOCGIFHWADDR, &request, 0, 0, 0) >= 0 &&
		    SYSCALL(setsockopt, fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on), 0) >= 0 &&
		    SYSCALL(setsockopt, fd, SOL_SOCKET, SO_BINDTODEVICE, link_name, text_length(link_name), 0) >= 0 &&
		    SYSCALL(bind, fd, &any, sizeof(any), 0, 0, 0) >= 0) {
			memcpy(hardware, request.of.bytes + 2, 6); /* struct sockaddr: two bytes of family first */
			return fd;
		}
	}
	close_file(fd);
	return -ENODEV;
}

static long set_address(long fd)
{
	struct request request;
	struct route route;
	long result;

	take_name(&request, link_name);
	request.of.at.family = AF_INET;
	memcpy(request.of.at.ip, own_ip, 4);
	result = SYSCALL(ioctl, fd, SIOCSIFADDR, &request, 0, 0, 0);
	if (result < 0)
		return result;
	memcpy(request.of.at.ip, mask, 4);
	result = SYSCALL(ioctl, fd, SIOCSIFNETMASK, &request, 0, 0, 0);
	if (result < 0 || !(router[0] | router[1] | router[2] | router[3]))
		return result;
	memset(&route, 0, sizeof(route));
	route.to.family = route.by.family = route.mask.family = AF_INET;
	memcpy(route.by.ip, router, 4);
	route.flags = RTF_UP | RTF_GATEWAY;
	route.device = link_name;
	return SYSCALL(ioctl, fd, SIOCADDRT, &route, 0, 0, 0);
}

static int take_lease(long fd, const u8 *hardware)
{
	static struct message in;
	const u8 *value;
	u8 server[4];
	long got = ask(fd, hardware, DISCOVER, NULL, NULL, &in);

	if (!got)
		return 0;
	memcpy(own_ip, in.yours, 4);
	value = option_of(&in, got, SERVER);
	if (value && value[0] == 4)
		memcpy(server, value + 1, 4);
	got = ask(fd, hardware, REQUEST, own_ip, value ? server : NULL, &in);
	if (!got)
		return 0;
	memcpy(own_ip, in.yours, 4);
	value = option_of(&in, got, MASK);
	if (value && value[0] == 4)
		memcpy(mask, value + 1, 4);
	value = option_of(&in, got, ROUTER);
	if (value && value[0] >= 4)
		memcpy(router, value + 1, 4);
	return 1;
}

static void add_number_of_ones(struct text *to)
{
	int ones = 0;

	for (int bit = 0; bit < 32; bit++)
		ones += mask[bit / 8] >> (7 - bit % 8) & 1;
	text_add_number(to, ones);
}

void add_address(struct text *to)
{
	for (int part = 0; part < 4; part++) {
		if (part)
			text_add(to, ".");
		text_add_number(to, own_ip[part]);
	}
}

int have_address(void)
{
	u8 hardware[6];
	long fd;
	TEXT(line, 300);

	if (leased)
		return 1;
	fd = open_client(hardware);
	if (fd < 0)
		return 0;
	if (take_lease(fd, hardware) && set_address(fd) >= 0) {
		leased = 1;
		text_add(&line, "assigned address {\"component\": \"controller-runtime\", "
				"\"controller\": \"network.AddressSpecController\", \"address\": \"");
		add_address(&line);
		text_add(&line, "/");
		add_number_of_ones(&line);
		text_add(&line, "\", \"link\": \"");
		text_add(&line, link_name);
		text_add(&line, "\"}");
		talos(line.data);
	}
	close_file(fd);
	return leased;
}
