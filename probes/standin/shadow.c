/* SPDX-License-Identifier: Apache-2.0
 *
 * Talos >= 1.12 clones each file out of a tmpfs that is attached nowhere (siderolabs/talos v1.12.1
 * internal/pkg/mount/v3/mount.go); a kernel before 6.15 refuses that (fs/namespace.c, __do_loopback).
 */
#include "standin.h"
#include "../mounts.h"

static struct shadow shadows[] = {
	{ "hosts", "/etc/hosts", " (mode: fd)", "127.0.0.1 localhost stand-in\n", -1, NULL },
	{ "resolv.conf", "/etc/resolv.conf", "", "nameserver 1.1.1.1\n", -1, NULL },
};

static long tree_of_files = -1;

static long make_tree(struct shadow *of)
{
	long context, result;

	if (tree_of_files >= 0)
		return tree_of_files;
	of->call = "fsopen";
	context = SYSCALL(fsopen, "tmpfs", FSOPEN_CLOEXEC, 0, 0, 0, 0);
	if (context < 0)
		return context;
	of->call = "fsconfig";
	SYSCALL(fsconfig, context, FSCONFIG_SET_STRING, "mode", "0755", 0, 0);
	SYSCALL(fsconfig, context, FSCONFIG_SET_STRING, "size", "8M", 0, 0);
	result = SYSCALL(fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0, 0);
	if (result >= 0) {
		of->call = "fsmount";
		result = tree_of_files = SYSCALL(fsmount, context, FSMOUNT_CLOEXEC, 0, 0, 0, 0);
	}
	close_file(context);
	return result;
}

static long put_file(struct shadow *of, long file)
{
	struct mount_attr attributes = { .set = MOUNT_ATTR_RDONLY };
	long clone, result;

	of->call = "write";
	result = SYSCALL(write, file, of->content, text_length(of->content), 0, 0, 0);
	if (result < 0)
		return result;
	of->call = "opentree";
	clone = SYSCALL(open_tree, file, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH, 0, 0, 0);
	if (clone < 0)
		return clone;
	of->call = "mount_setattr";
	result = SYSCALL(mount_setattr, clone, "", AT_EMPTY_PATH, &attributes, MOUNT_ATTR_SIZE_VER0, 0);
	if (result >= 0) {
		of->call = "move_mount";
		result = SYSCALL(move_mount, clone, "", AT_FDCWD, of->target, MOVE_MOUNT_F_EMPTY_PATH, 0);
	}
	close_file(clone);
	return result;
}

int shadow_mounts(void)
{
	int failed_ones = 0;

	for (int at = 0; at < COUNT(shadows); at++) {
		struct shadow *of = &shadows[at];
		long tree, file;

		if (of->error == 0)
			continue;
		tree = make_tree(of);
		if (tree >= 0) {
			of->call = "open";
			file = SYSCALL(openat, tree, of->name, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644, 0, 0);
			of->error = file < 0 ? -file : 0;
			if (file >= 0) {
				long result = put_file(of, file);

				of->error = result < 0 ? -result : 0;
				close_file(file);
			}
		} else {
			of->error = -tree;
		}
		failed_ones += of->error != 0;
	}
	return failed_ones;
}

void report_shadow_mounts(void)
{
	for (int at = 0; at < COUNT(shadows); at++) {
		const struct shadow *of = &shadows[at];
		TEXT(line, 700);

		if (!of->error)
			continue;
		text_add(&line, "controller failed {\"component\": \"controller-runtime\", "
				"\"controller\": \"files.EtcFileController\", \"error\": "
				"\"failed to create shadow bind mount \\\"");
		text_add(&line, of->name);
		text_add(&line, "\\\" -> \\\"");
		text_add(&line, of->target);
		text_add(&line, "\\\"");
		text_add(&line, of->mode);
		text_add(&line, ": failed to ");
		text_add(&line, of->call ? of->call : "start");
		text_add(&line, ": ");
		add_error(&line, of->error);
		text_add(&line, "\"}");
		talos(line.data);
		return; /* the controller stops at its first error, and is restarted */
	}
}
