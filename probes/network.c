/* SPDX-License-Identifier: Apache-2.0
 *
 * `network`: does a driver bring an interface up, as far as a DHCP lease (RFC 2131)?
 *
 * The driver is given on the kernel's command line (`bootwright.driver=macb`).
 */
#include "guest.h"
#include "link.h"

enum { MOST = 8 };
struct interface { long index; char name[16], device[60]; };

static char driver[40];

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

			link_path(&path, entries + at + 19, "/device/driver");
			if (!link_name(path.data, text, sizeof(text)) || !text_equal(text, driver))
				continue;
			text_add(&to, entries + at + 19);
			link_path(&path, new.name, "/device");
			link_name(path.data, new.device, sizeof(new.device));
			link_path(&path, new.name, "/ifindex");
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

static void interface_up(struct outcome *outcome, const char *argument)
{
	struct interface found[MOST];
	int count = need_interfaces(outcome, found);

	(void)argument;
	for (int at = 0; at < count; at++) {
		if (!link_raise(outcome, found[at].name)) {
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
			if (link_has_carrier(found[at].name)) {
				note(outcome, "carrier", found[at].name);
				passed(outcome);
				return;
			}
	if (count)
		failed(outcome, "carrier", -ETIMEDOUT);
}

/* Any interface with a carrier may be the one that has a server. */
static void dhcp(struct outcome *outcome, const char *how_far)
{
	struct interface found[MOST];
	int count = need_interfaces(outcome, found), lease = text_equal(how_far, "lease");

	for (int at = 0; at < count; at++) {
		TEXT(words, 80);

		if (!link_has_carrier(found[at].name) || !link_address(outcome, found[at].name, lease, &words))
			continue;
		memset(outcome, 0, sizeof(*outcome));
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

PROBE network = { "network", prepare, NULL, 40, 0 };
