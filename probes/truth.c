/* SPDX-License-Identifier: Apache-2.0
 *
 * `truth`: which devices there are, and which driver each has, once everything has settled.
 *
 * Loads modules by modalias as udev does (every module whose alias fits, with what it depends on), until
 * nothing new has come up for as long as deferred probing may take, then states each device of every bus
 * with its devicetree node and driver, what is still deferred, which probes failed, the modules in the kernel,
 * the devicetree as the guest has it, and last, as it may hang on an emulated machine, what DHCP gives on each
 * interface.
 * What the kernel itself asks for (request_module) is loaded by /sbin/modprobe, see modprobe/modprobe.c.
 */
#include "guest.h"
#include "link.h"
#include "load.h"

enum { PROT_READ_WRITE = 3, MAP_PRIVATE_ANONYMOUS = 0x22 }; /* asm-generic/mman-common.h */
enum { EPIPE = 32, MOST_SEEN = 8192, LONG_EVENT = 8192, ROUND_MS = 1000, MOST_ABOVE = 12, CARRIER_MS = 10000 };

static long stated_count;

/* `truth NUMBER WORDS`: by the number the host sees that no line was lost on the console. */
static void state(const char *words)
{
	TEXT(line, 720);

	text_add(&line, "truth ");
	text_add_number(&line, stated_count++);
	text_add(&line, " ");
	text_add(&line, words);
	say(line.data);
}

static u64 seen[MOST_SEEN];
static int seen_count, found_new, have_tables;

static int is_new(const char *text)
{
	u64 hash = 14695981039346656037UL; /* FNV-1a, 64 bits */

	for (; *text; text++)
		hash = (hash ^ (u8)*text) * 1099511628211UL;
	for (int i = 0; i < seen_count; i++)
		if (seen[i] == hash)
			return 0;
	if (seen_count < MOST_SEEN)
		seen[seen_count++] = hash;
	return 1;
}

static void each_entry(const char *folder, void (*visit)(const char *folder, const char *name))
{
	long size = 1 << 16, room = SYSCALL(mmap, 0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0), got;
	long fd = SYSCALL(openat, AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0, 0);
	char *entries = (char *)room;

	while (fd >= 0 && (got = SYSCALL(getdents64, fd, entries, size, 0, 0, 0)) > 0)
		for (long at = 0; at < got; at += *(u16 *)(entries + at + 16))
			if (entries[at + 19] != '.')
				visit(folder, entries + at + 19);
	if (fd >= 0)
		close_file(fd);
	syscall6(215 /* munmap */, room, size, 0, 0, 0, 0);
}

static void join(struct text *to, const char *folder, const char *name)
{
	text_add(to, folder);
	text_add(to, "/");
	text_add(to, name);
}

/* What udev loads by: MODALIAS of the device's event. Not every bus has a file `modalias` too (auxiliary has none). */
static void look_at_modalias(const char *folder, const char *name)
{
	static char event[LONG_EVENT];
	const char *modalias;
	TEXT(path, 400);

	join(&path, folder, name);
	text_add(&path, "/uevent");
	if (read_file(path.data, event, sizeof(event)) <= 0)
		return;
	modalias = text_find(event, "MODALIAS=");
	if (!modalias)
		return;
	modalias += 9;
	for (char *end = (char *)modalias; *end; end++)
		if (*end == '\n')
			*end = 0;
	if (is_new(modalias)) {
		found_new = 1;
		load_for(modalias);
	}
}

static void load_on_bus(const char *folder, const char *name)
{
	TEXT(path, 300);

	join(&path, folder, name);
	text_add(&path, "/devices");
	each_entry(path.data, look_at_modalias);
}

static int link_target(const char *path, char *to, int size)
{
	long got = SYSCALL(readlinkat, AT_FDCWD, path, to, size - 1, 0, 0);

	to[got > 0 ? got : 0] = 0;
	return got > 0;
}

static const char *bus;

/* `device BUS NAME DRIVER NODE`, `-` for no driver; only devices with a node. */
static void state_device(const char *folder, const char *name)
{
	static char node[600], driver[600];
	const char *at, *last;
	TEXT(path, 400);
	TEXT(line, 700);

	join(&path, folder, name);
	text_add(&path, "/of_node");
	if (!link_target(path.data, node, sizeof(node)))
		return;
	at = text_find(node, "/devicetree/base");
	if (!at)
		return;
	path.used = 0;
	join(&path, folder, name);
	text_add(&path, "/driver");
	last = "-";
	if (link_target(path.data, driver, sizeof(driver)))
		for (const char *c = last = driver; *c; c++)
			if (*c == '/')
				last = c + 1;
	text_add(&line, "device ");
	text_add(&line, bus);
	text_add(&line, " ");
	text_add(&line, name);
	text_add(&line, " ");
	for (const char *c = last; *c; c++) {
		char letter[2] = { *c == ' ' ? '_' : *c, 0 };

		text_add(&line, letter);
	}
	text_add(&line, " ");
	text_add(&line, at[16] ? at + 16 : "/");
	state(line.data);
}

static void state_bus(const char *folder, const char *name)
{
	TEXT(path, 300);

	bus = name;
	join(&path, folder, name);
	text_add(&path, "/devices");
	each_entry(path.data, state_device);
}

/*
 * `interface NAME NODE DRIVER`: the node of the device, or of the nearest above it that has one (a
 * function of a PCI host, a USB device, a virtio device in its slot); `-` for what there is not.
 */
static void state_interface(const char *folder, const char *name)
{
	static char node[600], driver[600];
	const char *last = "-", *at = NULL;
	TEXT(path, 400);
	TEXT(line, 700);

	join(&path, folder, name);
	text_add(&path, "/device/driver");
	if (link_target(path.data, driver, sizeof(driver)))
		for (const char *c = last = driver; *c; c++)
			if (*c == '/')
				last = c + 1;
	for (int above = 0; !at && above < MOST_ABOVE; above++) {
		path.used = 0;
		join(&path, folder, name);
		text_add(&path, "/device/");
		for (int step = 0; step < above; step++)
			text_add(&path, "../");
		text_add(&path, "of_node");
		if (link_target(path.data, node, sizeof(node)))
			at = text_find(node, "/devicetree/base");
	}
	text_add(&line, "interface ");
	text_add(&line, name);
	text_add(&line, " ");
	text_add(&line, at ? (at[16] ? at + 16 : "/") : "-");
	text_add(&line, " ");
	text_add(&line, last);
	state(line.data);
}

static int has_device(const char *name)
{
	TEXT(path, 200);

	link_path(&path, name, "/device/uevent");
	return read_file(path.data, (char[8]){ 0 }, 8) >= 0;
}

static int without_carrier;

static void raise_interface(const char *folder, const char *name)
{
	struct outcome outcome;

	(void)folder;
	memset(&outcome, 0, sizeof(outcome));
	if (has_device(name))
		link_raise(&outcome, name);
}

static void look_for_carrier(const char *folder, const char *name)
{
	(void)folder;
	if (has_device(name) && !link_has_carrier(name))
		without_carrier++;
}

/* `dhcp NAME ADDRESS`, or what kept it from having one: `no-carrier`, `set-up EINVAL`, … */
static void state_address(const char *folder, const char *name)
{
	struct outcome outcome;
	TEXT(line, 200);

	(void)folder;
	if (!has_device(name))
		return;
	memset(&outcome, 0, sizeof(outcome));
	text_add(&line, "dhcp ");
	text_add(&line, name);
	text_add(&line, " ");
	if (link_raise(&outcome, name)) {
		if (!link_has_carrier(name))
			text_add(&line, "no-carrier");
		else
			link_address(&outcome, name, 1, &line);
	}
	if (outcome.state == NOT_OK) {
		text_add(&line, outcome.call);
		text_add(&line, " ");
		text_add_errno(&line, outcome.error);
	}
	state(line.data);
}

/* Links may take seconds to come up (PHY negotiation), all at the same time. */
static void state_addresses(void)
{
	each_entry("/sys/class/net", raise_interface);
	for (long until = now_ms() + CARRIER_MS; now_ms() < until; sleep_ms(100)) {
		without_carrier = 0;
		each_entry("/sys/class/net", look_for_carrier);
		if (!without_carrier)
			break;
	}
	each_entry("/sys/class/net", state_address);
}

/*
 * A record of /dev/kmsg begins with facility * 8 + level (Documentation/ABI/testing/dev-kmsg): 0 to 7 is the
 * kernel's own. What this program writes is of facility 1, 8 and more, and may quote the kernel.
 */
static int is_kernels(const char *record)
{
	return record[0] >= '0' && record[0] <= '7' && record[1] == ',';
}

/* Both wordings: `DEVICE: probe with driver DRIVER …` since Linux 6.9, `DRIVER: probe of DEVICE …` before. */
static int is_failure(const char *words)
{
	return text_find(words, ": probe with driver ") || text_find(words, ": probe of ");
}

/* `failed WORDS`: the kernel's own words about probes that failed (drivers/base/dd.c call_driver_probe). */
static void state_failures(void)
{
	long fd = SYSCALL(openat, AT_FDCWD, "/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, 0, 0), got;
	char record[1024];

	while (fd >= 0 && ((got = SYSCALL(read, fd, record, sizeof(record) - 1, 0, 0, 0)) > 0 || got == -EPIPE)) {
		char *start, *end;
		TEXT(line, 400);

		record[got > 0 ? got : 0] = 0;
		start = (char *)text_find(record, ";");
		if (!start || !is_kernels(record) || !is_failure(start))
			continue;
		for (end = ++start; *end && *end != '\n'; end++)
			;
		*end = 0;
		text_add(&line, "failed ");
		text_add(&line, start);
		state(line.data);
	}
	if (fd >= 0)
		close_file(fd);
}

static void state_lines(const char *path, const char *what)
{
	static char text[32768];

	if (read_file(path, text, sizeof(text)) <= 0)
		return;
	for (char *at = text; *at;) {
		TEXT(line, 400);
		char *end = at;

		while (*end && *end != '\n')
			end++;
		if (*end)
			*end++ = 0;
		text_add(&line, what);
		text_add(&line, " ");
		text_add(&line, at);
		state(line.data);
		at = end;
	}
}

/* `loaded NAME`: each module in the kernel, whoever asked for it (/proc/modules, its name first in a line). */
static void state_modules(void)
{
	static char text[1 << 17];
	long fd = SYSCALL(openat, AT_FDCWD, "/proc/modules", O_RDONLY | O_CLOEXEC, 0, 0, 0), got, used = 0;

	while (fd >= 0 && used < (long)sizeof(text) - 1 &&
	       (got = SYSCALL(read, fd, text + used, sizeof(text) - 1 - used, 0, 0, 0)) > 0)
		used += got;
	if (fd >= 0)
		close_file(fd);
	text[used] = 0;
	for (char *at = text; *at;) {
		TEXT(line, 120);
		char *end = at;

		while (*end && *end != ' ' && *end != '\n')
			end++;
		for (; *end && *end != '\n'; end++)
			*end = 0;
		if (*end)
			*end++ = 0;
		text_add(&line, "loaded ");
		text_add(&line, at);
		state(line.data);
		at = end;
	}
}

/* `tables MODULES ALIASES`: lines read; an initramfs that was not unpacked whole has fewer, or none. */
static void say_tables(void)
{
	struct load_counts counts = load_counts();
	TEXT(line, 80);

	text_add(&line, "truth tables ");
	text_add_number(&line, counts.modules);
	text_add(&line, " ");
	text_add_number(&line, counts.aliases);
	say(line.data);
}

/* `loads LOADED REFUSED MISSING`: what became of the modules that devices asked for. */
static void state_loads(void)
{
	struct load_counts counts = load_counts();
	TEXT(line, 80);

	text_add(&line, "loads ");
	text_add_number(&line, counts.loaded);
	text_add(&line, " ");
	text_add_number(&line, counts.refused);
	text_add(&line, " ");
	text_add_number(&line, counts.missing);
	state(line.data);
}

static u64 big_endian(const u8 *at)
{
	return (u64)at[0] << 24 | (u64)at[1] << 16 | (u64)at[2] << 8 | at[3];
}

/*
 * /sys/firmware/fdt, 256 bytes a line (`offset hexadecimal`), up to the end of its last block: emulators pad it to
 * a megabyte. Header words (devicetree specification 0.4, 5.2): 2 and 9 are the structure block's place
 * and size, 3 and 8 those of the strings.
 */
static void state_devicetree(void)
{
	static const char digits[] = "0123456789abcdef";
	long fd = SYSCALL(openat, AT_FDCWD, "/sys/firmware/fdt", O_RDONLY | O_CLOEXEC, 0, 0, 0), got;
	u64 used = 0, end = 0;
	u8 raw[256];

	while (fd >= 0 && (got = SYSCALL(read, fd, raw, sizeof(raw), 0, 0, 0)) > 0) {
		TEXT(line, 600);

		if (!used && got == sizeof(raw)) {
			u64 structure = big_endian(raw + 8) + big_endian(raw + 36);
			u64 strings = big_endian(raw + 12) + big_endian(raw + 32);

			end = structure > strings ? structure : strings;
		}
		if (end && used >= end)
			break;
		text_add(&line, "fdt ");
		text_add_number(&line, (long)used);
		text_add(&line, " ");
		used += (u64)got;
		for (long i = 0; i < got; i++) {
			char pair[3] = { digits[raw[i] >> 4], digits[raw[i] & 15], 0 };

			text_add(&line, pair);
		}
		state(line.data);
	}
	if (fd >= 0)
		close_file(fd);
}

static int number_at(const char **at)
{
	int number = 0;

	while (**at >= '0' && **at <= '9')
		number = number * 10 + *(*at)++ - '0';
	return number;
}

static long option_number(const char *name, long otherwise)
{
	char text[20];
	const char *at = text;

	return option(name, text, sizeof(text)) ? number_at(&at) : otherwise;
}

static void settle(struct outcome *outcome, const char *argument)
{
	/* deferred_probe_timeout is 10 s after the last driver was registered (drivers/base/dd.c). */
	long quiet = option_number("settle", 12) * 1000, last;
	long limit = now_ms() + option_number("limit", 600) * 1000;
	long brief = option_number("brief", 0); /* devices only: neither the devicetree nor the network */

	(void)argument;
	have_tables = load_tables();
	say_tables();
	make_directory("/sys/kernel/debug");
	SYSCALL(mount, "debugfs", "/sys/kernel/debug", "debugfs", 0, NULL, 0);
	for (last = now_ms(); now_ms() - last < quiet && now_ms() < limit;) {
		found_new = 0;
		if (have_tables)
			each_entry("/sys/bus", load_on_bus);
		if (found_new | loaded_any())
			last = now_ms();
		sleep_ms(ROUND_MS);
	}
	state_failures(); /* first: the kernel's log holds no more than our own lines fill */
	each_entry("/sys/bus", state_bus);
	each_entry("/sys/class/net", state_interface);
	state_lines("/sys/kernel/debug/devices_deferred", "deferred");
	state_modules();
	state_loads();
	if (!brief) {
		state_devicetree();
		state_addresses();
	}
	state("end");
	passed(outcome);
}

static int prepare(struct test *tests, int room)
{
	if (room < 1)
		return 0;
	tests[0] = (struct test){ "settled", settle, "" };
	return 1;
}

PROBE truth = { "truth", prepare, NULL, 1800, 0 };
