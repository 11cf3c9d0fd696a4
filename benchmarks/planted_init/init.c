/* SPDX-License-Identifier: Apache-2.0
 *
 * The init of the images that faults are planted in: loads the modules listed in /etc/modules, mounts the root that
 * the kernel's arguments name, makes the detached mounts that Talos makes, and says so. It ends at the first failure.
 * It has no libc: see probes/guest.h.
 */
#include "../../probes/gallery/words.h"

enum { /* asm-generic/unistd.h; linux/mount.h; linux/fcntl.h */
	NR_faccessat = 48, MS_RDONLY = 1, OPEN_TREE_CLONE = 1, FSCONFIG_CMD_CREATE = 6,
};

int main(void);

/* To the kernel's log, so that every console has it; with a level that `quiet` lets through. */
void say(const char *text)
{
	TEXT(line, 400);
	long log = SYSCALL(openat, AT_FDCWD, "/dev/kmsg", O_WRONLY | O_CLOEXEC, 0, 0, 0), result = log;

	text_add(&line, "<1>init: ");
	text_add(&line, text);
	text_add(&line, "\n");
	if (log >= 0)
		result = SYSCALL(write, log, line.data, line.used, 0, 0, 0);
	if (result < 0)
		SYSCALL(exit_group, 2, 0, 0, 0, 0, 0);
	close_file(log);
}

/* The kernel panics when this process ends, which ends the boot. */
static void fail(const char *text, const char *more, long error)
{
	TEXT(line, 300);

	text_add(&line, text);
	text_add(&line, more);
	text_add(&line, ": ");
	text_add_words(&line, -error);
	say(line.data);
	SYSCALL(exit_group, 1, 0, 0, 0, 0, 0);
}

static void load(const char *path)
{
	long file = SYSCALL(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0, 0, 0), result = file;

	if (file >= 0)
		result = SYSCALL(finit_module, file, "", 0, 0, 0, 0);
	if (result < 0 && result != -EEXIST)
		fail("could not insert module ", path, result);
	close_file(file);
}

/* The text up to `end`, which becomes NUL; `*next` is then what follows. */
static char *cut(char **next, char end, char other)
{
	char *start = *next, *at = start;

	while (*at && *at != end && *at != other)
		at++;
	if (*at)
		*at++ = 0;
	*next = at;
	return start;
}

static void load_all(void)
{
	static char paths[16384];
	char *next = paths;

	read_file("/etc/modules", paths, sizeof(paths));
	while (*next)
		load(cut(&next, '\n', '\n'));
}

static void mount_root(void)
{
	static char line[4096];
	long result = read_file("/proc/cmdline", line, sizeof(line));
	char *root = result < 0 ? NULL : (char *)text_find(line, "root=/");

	if (!root)
		fail("no root in ", "/proc/cmdline", result < 0 ? result : -ENOENT);
	root += 5;
	root = cut(&root, ' ', '\n');
	for (int tries = 0; tries < 50 && SYSCALL(faccessat, AT_FDCWD, root, 0, 0, 0, 0) < 0; tries++)
		sleep_ms(100);
	result = SYSCALL(mount, root, "/root", "squashfs", MS_RDONLY, NULL, 0);
	if (result < 0)
		fail("cannot mount root ", root, result);
}

static void detached_mount(void)
{
	long context = SYSCALL(fsopen, "tmpfs", 0, 0, 0, 0, 0), detached, file, tree;
	long result = context < 0 ? context : SYSCALL(fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0, 0);

	if (result < 0)
		fail("cannot make ", "a tmpfs", result);
	detached = SYSCALL(fsmount, context, 0, 0, 0, 0, 0);
	file = SYSCALL(openat, detached, "hosts", O_CREAT | O_RDWR, 0644, 0, 0);
	tree = SYSCALL(open_tree, file, "", OPEN_TREE_CLONE | AT_EMPTY_PATH, 0, 0, 0);
	if (tree < 0)
		fail("failed to create shadow bind mount ", "hosts", tree);
}

int main(void)
{
	SYSCALL(mount, "proc", "/proc", "proc", 0, NULL, 0);
	SYSCALL(mount, "dev", "/dev", "devtmpfs", 0, NULL, 0);
	load_all();
	mount_root();
	detached_mount();
	say("machine is running and ready");
	/* linux/reboot.h: LINUX_REBOOT_MAGIC1, MAGIC2, CMD_POWER_OFF */
	SYSCALL(reboot, 0xfee1dead, 672274793, 0x4321fedc, NULL, 0, 0);
	return 0;
}
