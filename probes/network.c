/* SPDX-License-Identifier: Apache-2.0
 *
 * `network`: does a driver bring an interface up, as far as a DHCP lease (RFC 2131)?
 *
 * The driver is given on the kernel's command line (`bootwright.driver=macb`). DHCP goes through an
 * ordinary UDP socket bound to the interface: no packet socket, hence no further module.
 */
#include "guest.h"

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

enum { MOST = 8 };
struct interface { long index; char name[16], device[60]; };

static char driver[40];
static const u8 transaction[4] = { 'b', 'o', 'o', 't' };

/* The last part of where a link in /sys points to. */
static int link_name(const char *path, char *to, int size)
{
	static char target[512];
	struct text name = { to, size, 0 };
	long got = SYSCALL(readlinkat, AT_FDCWD, path, target, sizeof(target) - 1, 0, 0);
	const char *last = target;

	to[0] = 0;
	if (got <= 0)
		return 0;
	target[got] = 0;
	for (const char *at = target; *at; at++)
		if (*at == '/')
			last = at + 1;
	text_add(&name, last);
	return 1;
}

static void interface_path(struct text *to, const char *name, const char *rest)
{
	to->used = 0;
	text_add(to, "/sys/class/net/");
	text_add(to, name);
	text_add(to, rest);
}

static long number_of(const char *digits)
{
	long number = 0;

	for (; *digits >= '0' && *digits <= '9'; digits++)
		number = number * 10 + *digits - '0';
	return number;
}

/* The interfaces whose driver is the one asked for, in the order the kernel found them. */
static int find_interfaces(struct interface *found)
{
	static char entries[4096];
	long folder = SYSCALL(openat, AT_FDCWD, "/sys/class/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0, 0);
	long got;
	int count = 0;

	if (folder < 0)
		return 0;
	while ((got = SYSCALL(getdents64, folder, entries, sizeof(entries), 0, 0, 0)) > 0) {
		/* struct linux_dirent64: inode 8, offset 8, length 2, type 1, name */
		for (long at = 0; at < got && count < MOST; at += *(u16 *)(entries + at + 16)) {
			struct interface new = { .index = 0 };
			struct text to = { new.name, sizeof(new.name), 0 };
			char text[40];
			int place = count;
			TEXT(path, 200);

			interface_path(&path, entries + at + 19, "/device/driver");
			if (!link_name(path.data, text, sizeof(text)) || !text_equal(text, driver))
				continue;
			text_add(&to, entries + at + 19);
			interface_path(&path, new.name, "/device");
			link_name(path.data, new.device, sizeof(new.device));
			interface_path(&path, new.name, "/ifindex");
			read_file(path.data, text, sizeof(text));
			new.index = number_of(text);
			for (; place && found[place - 1].index > new.index; place--)
				found[place] = found[place - 1];
			found[place] = new;
			count++;
		}
	}
	close_file(folder);
	return count;
}

static int need_interfaces(struct outcome *outcome, struct interface *found)
{
	int count = find_interfaces(found);

	if (!count)
		skipped(outcome, "there is no interface");
	return count;
}

static int has_carrier(const struct interface *interface)
{
	char value[8];
	TEXT(path, 200);

	interface_path(&path, interface->name, "/carrier");
	return read_file(path.data, value, sizeof(value)) > 0 && value[0] == '1';
}

static void note(struct outcome *outcome, const char *what, const char *value)
{
	struct text to = { outcome->note, sizeof(outcome->note), 0 };

	text_add(&to, what);
	text_add(&to, " ");
	text_add(&to, value);
}

/* The driver's module is loaded, or it is built in: sysfs lists it under one of its buses. */
static void driver_registered(struct outcome *outcome, const char *argument)
{
	static const char *const buses[] = { "platform", "pci", "virtio", "usb" };

	(void)argument;
	for (int bus = 0; bus < COUNT(buses); bus++) {
		long fd;
		TEXT(path, 120);

		text_add(&path, "/sys/bus/");
		text_add(&path, buses[bus]);
		text_add(&path, "/drivers/");
		text_add(&path, driver);
		fd = SYSCALL(openat, AT_FDCWD, path.data, O_RDONLY | O_CLOEXEC, 0, 0, 0);
		if (fd >= 0) {
			close_file(fd);
			note(outcome, "driver", driver);
			passed(outcome);
			return;
		}
	}
	TEXT(why, 100);
	text_add(&why, "module ");
	text_add(&why, driver);
	text_add(&why, " is not here");
	skipped(outcome, why.data);
}

static void interface_appears(struct outcome *outcome, const char *argument)
{
	struct interface found[MOST];
	long until = now_ms() + 8000;
	int count;
	TEXT(all, 150);

	(void)argument;
	/* Probing may be deferred until a supplier is there. */
	while (!(count = find_interfaces(found)) && now_ms() < until)
		sleep_ms(50);
	if (!count) {
		failed(outcome, "interface", -ENODEV);
		last_complaint(outcome->kernel, sizeof(outcome->kernel));
		return;
	}
	for (int at = 0; at < count; at++) {
		text_add(&all, at ? ", " : "");
		text_add(&all, found[at].name);
		text_add(&all, " on ");
		text_add(&all, found[at].device);
	}
	note(outcome, "interface", all.data);
	passed(outcome);
}

static long udp(void)
{
	return SYSCALL(socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0, 0, 0);
}

static void interface_up(struct outcome *outcome, const char *argument)
{
	struct interface_request request;
	struct interface found[MOST];
	int count = need_interfaces(outcome, found);
	long fd = udp();

	(void)argument;
	if (failed(outcome, "socket", fd))
		return;
	for (int at = 0; at < count; at++) {
		memset(&request, 0, sizeof(request));
		memcpy(request.name, found[at].name, sizeof(request.name));
		if (failed(outcome, "get-flags", SYSCALL(ioctl, fd, SIOCGIFFLAGS, &request, 0, 0, 0)))
			return;
		request.of.flags |= IFF_UP;
		if (failed(outcome, "set-up", SYSCALL(ioctl, fd, SIOCSIFFLAGS, &request, 0, 0, 0))) {
			last_complaint(outcome->kernel, sizeof(outcome->kernel));
			return;
		}
		passed(outcome);
	}
}

static void carrier(struct outcome *outcome, const char *argument)
{
	struct interface found[MOST];
	int count = need_interfaces(outcome, found);

	(void)argument;
	for (long until = now_ms() + 10000; count && now_ms() < until; sleep_ms(50))
		for (int at = 0; at < count; at++)
			if (has_carrier(&found[at])) {
				note(outcome, "carrier", found[at].name);
				passed(outcome);
				return;
			}
	if (count)
		failed(outcome, "carrier", -ETIMEDOUT);
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

static void add_ip(struct text *to, const u8 *ip)
{
	for (int part = 0; part < 4; part++) {
		if (part)
			text_add(to, ".");
		text_add_number(to, ip[part]);
	}
}

/* The address that one interface is offered, or leased; true when it is. */
static int negotiate(struct outcome *outcome, const struct interface *interface, int lease, u8 *address)
{
	static struct message out, in;
	u8 hardware[6];
	const u8 *server;
	long fd = open_client(outcome, interface->name, hardware), got;
	int used;

	if (fd < 0)
		return 0;
	begin(&out, DISCOVER, hardware, &used);
	out.options[used] = 255;
	got = ask(fd, &out, sizeof(out), OFFER, &in);
	if (!failed(outcome, "dhcp-discover", got) && lease) {
		memcpy(address, in.yours, 4);
		server = dhcp_option(&in, got, 54);
		begin(&out, REQUEST, hardware, &used);
		add_option(&out, &used, 50, 4, address);
		if (server && server[1] == 4)
			add_option(&out, &used, 54, 4, server + 2);
		out.options[used] = 255;
		got = ask(fd, &out, sizeof(out), ACKNOWLEDGE, &in);
		failed(outcome, "dhcp-request", got);
	}
	close_file(fd);
	memcpy(address, in.yours, 4);
	return got >= 0;
}

/* Any interface with a carrier may be the one that has a server. */
static void dhcp(struct outcome *outcome, const char *how_far)
{
	struct interface found[MOST];
	int count = need_interfaces(outcome, found), lease = text_equal(how_far, "lease");
	u8 address[4];
	TEXT(words, 80);

	for (int at = 0; at < count; at++) {
		if (!has_carrier(&found[at]) || !negotiate(outcome, &found[at], lease, address))
			continue;
		memset(outcome, 0, sizeof(*outcome));
		add_ip(&words, address);
		text_add(&words, " on ");
		text_add(&words, found[at].name);
		note(outcome, how_far, words.data);
		passed(outcome);
		return;
	}
	if (count && outcome->state == OPEN)
		skipped(outcome, "there is no carrier");
}

/* The numbers after the colon of /proc/interrupts are per CPU; the names come last. */
static long count_interrupts(const char *line, const char *end)
{
	long sum = 0;

	while (line < end && *line != ':')
		line++;
	for (line++; line < end; line++) {
		long number = 0;

		if (*line == ' ')
			continue;
		if (*line < '0' || *line > '9')
			break;
		for (; line < end && *line >= '0' && *line <= '9'; line++)
			number = number * 10 + *line - '0';
		sum += number;
	}
	return sum;
}

static int has(const char *line, const char *end, const char *what)
{
	const char *at = what[0] ? text_find(line, what) : NULL;

	return at && at < end;
}

static void interrupts(struct outcome *outcome, const char *argument)
{
	static char table[32768];
	struct interface found[MOST];
	int count = need_interfaces(outcome, found);
	long sum = 0;
	TEXT(number, 24);

	(void)argument;
	if (!count || failed(outcome, "read-interrupts", read_file("/proc/interrupts", table, sizeof(table))))
		return;
	for (const char *line = table; *line;) {
		const char *end = line;
		int ours = 0;

		while (*end && *end != '\n')
			end++;
		for (int at = 0; at < count; at++)
			ours |= has(line, end, found[at].name) || has(line, end, found[at].device);
		if (ours)
			sum += count_interrupts(line, end);
		line = *end ? end + 1 : end;
	}
	text_add_number(&number, sum);
	if (sum) {
		note(outcome, "interrupts", number.data);
		passed(outcome);
	} else {
		wrong(outcome, "interrupts", "the interface has raised none");
	}
}

static int prepare(struct test *tests, int room)
{
	static const struct test all[] = {
		{ "driver", driver_registered, NULL },
		{ "interface", interface_appears, NULL },
		{ "up", interface_up, NULL },
		{ "carrier", carrier, NULL },
		{ "dhcp-offer", dhcp, "offer" },
		{ "dhcp-lease", dhcp, "lease" },
		{ "interrupts", interrupts, NULL },
	};

	(void)room;
	option("driver", driver, sizeof(driver));
	load_modules("/bootwright/network.modules");
	memcpy(tests, all, sizeof(all));
	return COUNT(all);
}

PROBE network = { "network", prepare, NULL, 40 };
