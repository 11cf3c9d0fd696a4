/* SPDX-License-Identifier: Apache-2.0
 *
 * The stand-in's init, both times it runs: from the initramfs, and from the root file system.
 * Milestones: siderolabs/talos v1.12 internal/app/init and internal/app/machined.
 */
#include "standin.h"

int main(void);

static long log_fd = -1;

static void write_log(const char *prefix, const char *text)
{
	TEXT(line, 900); /* kernel/printk: a record holds about 1,000 bytes */

	text_add(&line, prefix);
	text_add(&line, text);
	text_add(&line, "\n");
	/* Before /dev is mounted: the console that the initramfs has. */
	SYSCALL(write, log_fd >= 0 ? log_fd : 2, line.data, line.used, 0, 0, 0);
}

void talos(const char *text)
{
	write_log("[talos] ", text);
}

void own(const char *text)
{
	write_log("stand-in: ", text);
}

/* system.c reports modules that did not load so. */
void say(const char *line)
{
	own(line);
}

void add_error(struct text *to, long error)
{
	static const struct { long number; const char *words; } known[] = {
		{ 1, "operation not permitted" }, { ENOENT, "no such file or directory" }, { 13, "permission denied" },
		{ EINVAL, "invalid argument" }, { ENOSYS, "function not implemented" }, { ENODEV, "no such device" },
	};

	for (int at = 0; at < COUNT(known); at++)
		if (known[at].number == error) {
			text_add(to, known[at].words);
			return;
		}
	text_add(to, "errno ");
	text_add_number(to, error);
}

void give_up(const char *step, long error)
{
	TEXT(line, 300);

	text_add(&line, step);
	text_add(&line, ": ");
	add_error(&line, error < 0 ? -error : error);
	/* Before it logs to the kernel Talos's init writes to the console as it is. */
	log_fd >= 0 ? own(line.data) : write_log("", line.data);
	own("giving up; the machine restarts");
	SYSCALL(sync, 0, 0, 0, 0, 0, 0);
	for (int left = 5; left; left--) { /* as Talos does, which counts longer */
		TEXT(countdown, 40);

		text_add(&countdown, "rebooting in ");
		text_add_number(&countdown, left);
		text_add(&countdown, " seconds");
		log_fd >= 0 ? talos(countdown.data) : write_log("", countdown.data);
		sleep_ms(1000);
	}
	/* linux/reboot.h: LINUX_REBOOT_MAGIC1, MAGIC2, CMD_RESTART */
	SYSCALL(reboot, 0xfee1dead, 672274793, 0x01234567, NULL, 0, 0);
	for (;;)
		sleep_ms(1000);
}

static void phase(int number, int all, const char *name, int done)
{
	TEXT(line, 120);

	text_add(&line, "phase ");
	text_add(&line, name);
	text_add(&line, " (");
	text_add_number(&line, number);
	text_add(&line, "/");
	text_add_number(&line, all);
	text_add(&line, done ? "): done" : "): 1 tasks(s)");
	talos(line.data);
}

/* A socket that accepts connections where Talos's API does (TCP 50000). */
static long listen_for_api(void)
{
	struct { u16 family, port; u8 ip[4], zero[8]; } any = { .family = 2 /* AF_INET */ };
	long fd = SYSCALL(socket, 2, 1 /* SOCK_STREAM */ | O_CLOEXEC, 0, 0, 0, 0), result;

	any.port = (u16)((50000 & 0xff) << 8 | 50000 >> 8);
	if (fd < 0)
		return fd;
	result = SYSCALL(bind, fd, &any, sizeof(any), 0, 0, 0);
	return result < 0 ? result : SYSCALL(listen, fd, 8, 0, 0, 0, 0);
}

/* What Talos's controllers do side by side, here in turns: each tries again until it succeeds. */
__attribute__((noreturn)) static void run_controllers(void)
{
	int failures = 0, files = 0, ready = 0;
	long wait = 100;
	TEXT(line, 120);

	for (;;) {
		int address = have_address();

		if (!files) {
			if (!shadow_mounts())
				files = 1;
			else if (++failures > 4) /* Talos does not show the first four of a controller */
				report_shadow_mounts();
		}
		if (files && address && !ready && listen_for_api() >= 0) {
			ready = 1;
			talos("entering maintenance service");
			talos("this machine is reachable at:");
			text_add(&line, "\t");
			add_address(&line);
			talos(line.data);
			talos("machine is running and ready");
		}
		sleep_ms(ready ? 10000 : wait);
		if (wait < 5000)
			wait += wait / 2;
	}
}

static void run_machine(void)
{
	char release[512];
	long result;

	mount_late();
	talos("early startup done");
	talos("initialize sequence: 3 phase(s)");
	phase(1, 3, "systemRequirements", 0);
	if (asked_to_wipe())
		own("asked to wipe the system (talos.experimental.wipe=system); the stand-in keeps nothing on disks");
	phase(1, 3, "systemRequirements", 1);
	phase(2, 3, "etc", 0);
	result = read_file("/etc/os-release", release, sizeof(release));
	if (result <= 0)
		give_up("reading /etc/os-release", result);
	phase(2, 3, "etc", 1);
	phase(3, 3, "earlyServices", 0);
	load_modules("/usr/lib/stand-in/modules");
	phase(3, 3, "earlyServices", 1);
	talos("initialize sequence: done");
}

int main(void)
{
	int in_initramfs = SYSCALL(openat, AT_FDCWD, "/rootfs.sqsh", O_RDONLY | O_CLOEXEC, 0, 0, 0) >= 0;

	/* The root file system's init finds them mounted: they were moved there. */
	if (in_initramfs)
		mount_first();
	log_fd = SYSCALL(openat, AT_FDCWD, "/dev/kmsg", O_WRONLY | O_CLOEXEC, 0, 0, 0);
	/* Without this the kernel drops lines when many come at once. */
	write_file("/proc/sys/kernel/printk_devkmsg", "on\n");
	if (in_initramfs)
		enter_root();
	run_machine();
	run_controllers();
}
