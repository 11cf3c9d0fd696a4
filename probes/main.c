/* SPDX-License-Identifier: Apache-2.0
 *
 * The guest's only process: sets the stage, runs the probes asked for on the kernel's command line
 * (`bootwright.probe=mounts,network`, `bootwright.mark=…`), and powers off.
 */
#include "guest.h"

int main(void);

extern const struct group __start_bootwright_probes[], __stop_bootwright_probes[];

struct names { char system[65], node[65], release[65], version[65], machine[65], domain[65]; };

static char command_line[4096];

int option(const char *name, char *to, int size)
{
	struct text value = { to, size, 0 };
	TEXT(key, 60);
	const char *at;

	to[0] = 0;
	text_add(&key, "bootwright.");
	text_add(&key, name);
	text_add(&key, "=");
	at = text_find(command_line, key.data);
	if (!at)
		return 0;
	for (at += key.used; *at && *at != ' ' && *at != '\n'; at++) {
		char letter[2] = { *at, 0 };

		text_add(&value, letter);
	}
	return 1;
}

/* Is `name` one of the comma-separated words of `list`? */
static int listed(const char *list, const char *name)
{
	int length = text_length(name);

	for (const char *word = list; *word;) {
		const char *end = word;

		while (*end && *end != ',')
			end++;
		if (end - word == length && !memcmp(word, name, (size_t)length))
			return 1;
		if (end - word == 3 && !memcmp(word, "all", 3))
			return 1;
		word = *end ? end + 1 : end;
	}
	return 0;
}

static void mount_system(const char *type, const char *on)
{
	make_directory(on);
	SYSCALL(mount, type, on, type, 0, NULL, 0);
}

static void state_facts(void)
{
	struct names names;
	TEXT(size, 24);

	memset(&names, 0, sizeof(names));
	SYSCALL(uname, &names, 0, 0, 0, 0, 0);
	say_fact("release", names.release);
	text_add_number(&size, (long)auxiliary_value(AT_PAGESZ));
	say_fact("page_size", size.data);
}

__attribute__((noreturn)) static void power_off(void)
{
	hand_over_answers();
	/* linux/reboot.h: LINUX_REBOOT_MAGIC1, MAGIC2, CMD_POWER_OFF, CMD_HALT */
	SYSCALL(reboot, 0xfee1dead, 672274793, 0x4321fedc, NULL, 0, 0);
	SYSCALL(reboot, 0xfee1dead, 672274793, 0xcdef0123, NULL, 0, 0);
	for (;;)
		sleep_ms(1000);
}

/* For a snapshot (`bootwright.door=1`): the kernel is up, and waits until a debugger writes into `words` what
 * else is on the command line. The line tells where that is, and where a run that keeps its answers ends. */
static void wait_at_door(void)
{
	static volatile char words[1024] __attribute__((aligned(1024))); /* within one page */
	struct text line = { command_line, sizeof(command_line), text_length(command_line) };
	TEXT(door, 60);

	words[0] = 1; /* so that the page is this program's own, not the kernel's page of zeros */
	words[0] = 0;
	set_mark("bootwright");
	/* What does not hang on the words is done before: the log is opened, and file systems' modules loaded. */
	kernel_log_mark();
	load_modules("/bootwright/filesystems.modules");
	load_modules("/bootwright/overlays.modules");
	warm_up();
	sleep_ms(100); /* whatever the kernel still does behind a boot is done now */
	text_add(&door, "# bootwright: door ");
	text_add_number(&door, (long)words);
	text_add(&door, " ");
	text_add_number(&door, (long)answers_ready);
	say(door.data);
	while (!words[0])
		;
	text_add(&line, " ");
	text_add(&line, (const char *)words);
}

int main(void)
{
	char probes[200], text[40];
	int number = 0, count = 0;
	TEXT(plan, 24);

	mount_system("proc", "/proc");
	mount_system("sysfs", "/sys");
	mount_system("devtmpfs", "/dev");
	read_file("/proc/cmdline", command_line, sizeof(command_line));
	/* Without this the kernel drops lines when many come at once. */
	write_file("/proc/sys/kernel/printk_devkmsg", "on\n");
	if (option("door", text, sizeof(text)))
		wait_at_door();
	option("mark", text, sizeof(text));
	set_mark(text[0] ? text : "bootwright");
	if (option("answers", text, sizeof(text)))
		keep_answers();
	option("probe", probes, sizeof(probes));
	say("KTAP version 1");
	state_facts();
	for (const struct group *group = __start_bootwright_probes; group < __stop_bootwright_probes; group++)
		count += listed(probes, group->name);
	text_add(&plan, "1..");
	text_add_number(&plan, count);
	say(plan.data);
	for (const struct group *group = __start_bootwright_probes; group < __stop_bootwright_probes; group++)
		if (listed(probes, group->name))
			run_group(group, ++number);
	say("# bootwright: end");
	power_off();
}
