/* SPDX-License-Identifier: Apache-2.0
 *
 * From the initramfs into the root file system: a squashfs on a loop device, as Talos has it.
 */
#include "standin.h"

enum { /* linux/loop.h */
	LOOP_SET_FD = 0x4c00, LOOP_CTL_GET_FREE = 0x4c82,
};
enum { MS_RDONLY = 1, MS_MOVE = 8192 }; /* linux/mount.h */

static void attach_loop(const char *image, char *device, int size)
{
	struct text name = { device, size, 0 };
	long control = SYSCALL(openat, AT_FDCWD, "/dev/loop-control", O_RDWR | O_CLOEXEC, 0, 0, 0), number, loop, file;

	if (control < 0)
		give_up("opening /dev/loop-control", control);
	number = SYSCALL(ioctl, control, LOOP_CTL_GET_FREE, 0, 0, 0, 0);
	if (number < 0)
		give_up("finding a free loop device", number);
	text_add(&name, "/dev/loop");
	text_add_number(&name, number);
	file = SYSCALL(openat, AT_FDCWD, image, O_RDONLY | O_CLOEXEC, 0, 0, 0);
	loop = SYSCALL(openat, AT_FDCWD, device, O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (file < 0 || loop < 0)
		give_up("opening the root file system's image and its device", file < 0 ? file : loop);
	number = SYSCALL(ioctl, loop, LOOP_SET_FD, file, 0, 0, 0);
	if (number < 0)
		give_up("attaching the root file system's image", number);
}

static void move_mount_to(const char *from, const char *to)
{
	long result = SYSCALL(mount, from, to, NULL, MS_MOVE, NULL, 0);

	if (result < 0)
		give_up(from, result);
}

void enter_root(void)
{
	static const char *const argv[] = { "/sbin/init", NULL }, *const envp[] = { "PATH=/sbin:/bin", NULL };
	char version[80], device[24];
	long result;
	TEXT(line, 160);

	read_file("/stand-in/version", version, sizeof(version));
	for (char *at = version; *at; at++)
		if (*at == '\n')
			*at = 0;
	own("this is not Talos Linux but bootwright's stand-in for it");
	text_add(&line, "[initramfs] booting Talos ");
	text_add(&line, version);
	talos(line.data);
	talos("[initramfs] mounting the rootfs");
	attach_loop("/rootfs.sqsh", device, sizeof(device));
	make_directory("/root");
	result = SYSCALL(mount, device, "/root", "squashfs", MS_RDONLY, NULL, 0);
	if (result < 0)
		give_up("mounting the root file system", result);
	talos("[initramfs] entering the rootfs");
	move_mount_to("/dev", "/root/dev");
	move_mount_to("/proc", "/root/proc");
	move_mount_to("/sys", "/root/sys");
	SYSCALL(chdir, "/root", 0, 0, 0, 0, 0);
	move_mount_to("/root", "/");
	result = SYSCALL(chroot, ".", 0, 0, 0, 0, 0);
	if (result < 0)
		give_up("entering the root file system", result);
	SYSCALL(chdir, "/", 0, 0, 0, 0, 0);
	talos("[initramfs] executing /sbin/init");
	result = SYSCALL(execve, argv[0], argv, envp, 0, 0, 0);
	give_up("executing /sbin/init", result);
}
