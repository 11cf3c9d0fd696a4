/* SPDX-License-Identifier: Apache-2.0
 *
 * The init of the images that faults are planted in: loads the modules listed in /etc/modules, mounts the root that
 * the kernel's arguments name, makes the detached mounts that Talos makes, and says so. It ends at the first failure.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif

/* To the kernel's log, so that every console has it; with a level that `quiet` lets through. */
static void say(const char *text, const char *more)
{
	char line[400];
	int log = open("/dev/kmsg", O_WRONLY); /* no dprintf: it seeks, which kmsg refuses */

	snprintf(line, sizeof(line), "<1>init: %s%s\n", text, more);
	if (log < 0 || write(log, line, strlen(line)) < 0)
		_exit(2);
	close(log);
}

static void fail(const char *text, const char *more)
{
	char line[256];

	snprintf(line, sizeof(line), "%s: %s", more, strerror(errno));
	say(text, line);
	exit(1); /* the kernel panics, which ends the boot */
}

static void load(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file < 0 || (syscall(SYS_finit_module, file, "", 0) && errno != EEXIST))
		fail("could not insert module ", path);
	close(file);
}

static void load_all(void)
{
	char path[256];
	FILE *list = fopen("/etc/modules", "r");

	while (list && fgets(path, sizeof(path), list)) {
		path[strcspn(path, "\n")] = 0;
		load(path);
	}
}

static void mount_root(void)
{
	static char line[4096];
	int file = open("/proc/cmdline", O_RDONLY);
	char *root;

	if (file < 0 || read(file, line, sizeof(line) - 1) <= 0 || !(root = strstr(line, "root=/")))
		fail("no root in ", "/proc/cmdline");
	root = strtok(root + 5, " \n");
	for (int tries = 0; tries < 50 && access(root, F_OK); tries++)
		usleep(100000);
	if (mount(root, "/root", "squashfs", MS_RDONLY, NULL))
		fail("cannot mount root ", root);
}

static void detached_mount(void)
{
	int context = syscall(SYS_fsopen, "tmpfs", 0);

	if (context < 0 || syscall(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0))
		fail("cannot make ", "a tmpfs");
	int detached = syscall(SYS_fsmount, context, 0, 0);
	int file = openat(detached, "hosts", O_CREAT | O_RDWR, 0644);

	if (syscall(SYS_open_tree, file, "", OPEN_TREE_CLONE | AT_EMPTY_PATH) < 0)
		fail("failed to create shadow bind mount ", "hosts");
}

int main(void)
{
	mount("proc", "/proc", "proc", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	load_all();
	mount_root();
	detached_mount();
	say("machine is running and ready", "");
	reboot(RB_POWER_OFF);
	return 0;
}
