/* SPDX-License-Identifier: Apache-2.0
 *
 * `filesystems`: images made by the real mkfs tools, mounted through a loop device and read; swap areas
 * taken into use. What is in the initramfs is listed in /bootwright/filesystems, a line an image:
 * its name, the type, and its path.
 */
#include "mounts.h"

enum { LOOP_CTL_GET_FREE = 0x4C82, LOOP_SET_FD = 0x4C00, LOOP_CLR_FD = 0x4C01 }; /* linux/loop.h */

#define ON "/mount"

static char device[32]; /* the loop device that is set up, in the test's own process */

static long set_up(struct outcome *outcome, const char *image)
{
	struct text name = { device, sizeof(device), 0 };
	long control = SYSCALL(openat, AT_FDCWD, "/dev/loop-control", O_RDWR | O_CLOEXEC, 0, 0, 0);
	long number, loop, file;

	if (control == -ENOENT || control == -ENODEV) {
		skipped(outcome, "module loop is not here");
		return -1;
	}
	if (failed(outcome, "open-loop-control", control))
		return -1;
	number = SYSCALL(ioctl, control, LOOP_CTL_GET_FREE, 0, 0, 0, 0);
	if (failed(outcome, "loop-get-free", number))
		return -1;
	text_add(&name, "/dev/loop");
	text_add_number(&name, number);
	loop = SYSCALL(openat, AT_FDCWD, device, O_RDWR | O_CLOEXEC, 0, 0, 0);
	if (failed(outcome, "open-loop", loop))
		return -1;
	file = SYSCALL(openat, AT_FDCWD, image, O_RDWR | O_CLOEXEC, 0, 0, 0);
	if (failed(outcome, "open-image", file) ||
	    failed(outcome, "loop-set-fd", SYSCALL(ioctl, loop, LOOP_SET_FD, file, 0, 0, 0)))
		return -1;
	return loop;
}

/* The next word of a line; it is ended with NUL. */
static char *word(char **at)
{
	char *start = *at;

	while (**at && **at != ' ' && **at != '\n')
		++*at;
	if (**at)
		*(*at)++ = 0;
	return start;
}

static void use_swap(struct outcome *outcome)
{
	long result = SYSCALL(swapon, device, 0, 0, 0, 0, 0);

	if (result == -ENOSYS) {
		skipped(outcome, "this kernel has no swap (CONFIG_SWAP)");
		return;
	}
	if (!failed(outcome, "swapon", result) &&
	    !failed(outcome, "swapoff", SYSCALL(swapoff, device, 0, 0, 0, 0, 0)))
		passed(outcome);
}

static void use_mount(struct outcome *outcome, const char *type)
{
	static char found[64];
	long result;

	make_directory(ON);
	result = SYSCALL(mount, device, ON, type, MS_RDONLY, NULL, 0);
	if (result == -ENODEV) {
		TEXT(why, 100);
		text_add(&why, "module ");
		text_add(&why, type);
		text_add(&why, " is not here");
		skipped(outcome, why.data);
		return;
	}
	if (failed(outcome, "mount", result))
		return;
	result = read_file(ON "/content", found, sizeof(found));
	if (!failed(outcome, "read-back", result)) {
		if (text_equal(found, "bootwright\n"))
			passed(outcome);
		else
			wrong(outcome, "read-back", "the file holds something else than was written");
	}
	SYSCALL(umount2, ON, 0, 0, 0, 0, 0);
}

static void use_image(struct outcome *outcome, const char *line)
{
	char copy[300], *at = copy, *type, *image;
	struct text to = { copy, sizeof(copy), 0 };
	long loop;

	text_add(&to, line);
	type = word(&at);
	image = word(&at);
	loop = set_up(outcome, image);
	if (loop < 0)
		return;
	if (text_equal(type, "swap"))
		use_swap(outcome);
	else
		use_mount(outcome, type);
	if (outcome->state == NOT_OK)
		last_complaint(outcome->kernel, sizeof(outcome->kernel));
	SYSCALL(ioctl, loop, LOOP_CLR_FD, 0, 0, 0, 0);
}

static int prepare(struct test *tests, int room)
{
	static char list[8192];
	char *at = list;
	int count = 0;

	load_modules("/bootwright/filesystems.modules");
	read_file("/bootwright/filesystems", list, sizeof(list));
	while (*at && count < room) {
		tests[count].name = word(&at);
		tests[count].run = use_image;
		tests[count++].argument = at;
		while (*at && *at != '\n')
			at++;
		if (*at)
			*at++ = 0;
	}
	return count;
}

static void clean(void)
{
	while (SYSCALL(umount2, ON, MNT_DETACH, 0, 0, 0, 0) == 0)
		;
}

PROBE filesystems = { "filesystems", prepare, clean, 20, 0 };
