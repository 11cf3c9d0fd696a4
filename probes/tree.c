/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps that several mount tests share.
 */
#include "mounts.h"

long detached_tmpfs(struct outcome *outcome, const char *size)
{
	long context = SYSCALL(fsopen, "tmpfs", FSOPEN_CLOEXEC, 0, 0, 0, 0), mounted;

	if (failed(outcome, "fsopen", context))
		return context;
	mounted = SYSCALL(fsconfig, context, FSCONFIG_SET_STRING, "mode", "0755", 0, 0);
	if (mounted >= 0 && size)
		mounted = SYSCALL(fsconfig, context, FSCONFIG_SET_STRING, "size", size, 0, 0);
	if (!failed(outcome, "fsconfig", mounted)) {
		mounted = SYSCALL(fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0, 0);
		if (!failed(outcome, "fsconfig-create", mounted)) {
			mounted = SYSCALL(fsmount, context, FSMOUNT_CLOEXEC, 0, 0, 0, 0);
			failed(outcome, "fsmount", mounted);
		}
	}
	close_file(context);
	return mounted;
}

long file_in(struct outcome *outcome, long tree, const char *name, const char *content)
{
	long fd = SYSCALL(openat, tree, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644, 0, 0), written;

	if (failed(outcome, "openat", fd))
		return fd;
	written = SYSCALL(write, fd, content, text_length(content), 0, 0, 0);
	if (failed(outcome, "write", written))
		return written;
	return fd;
}

long clone_of(long fd, const char *path, int flags)
{
	return SYSCALL(open_tree, fd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags, 0, 0, 0);
}

long attach(long fd, const char *path)
{
	return SYSCALL(move_mount, fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH, 0);
}

int cover_up(struct outcome *outcome, const char *directory, const char *hidden)
{
	struct mount_attr attributes = { .set = MOUNT_ATTR_RDONLY };
	long cover = detached_tmpfs(outcome, "4K");

	if (cover < 0 ||
	    failed(outcome, "mount_setattr-cover",
		   SYSCALL(mount_setattr, cover, "", AT_EMPTY_PATH, &attributes, sizeof(attributes), 0)) ||
	    failed(outcome, "move_mount-cover", attach(cover, directory)))
		return 0;
	if (SYSCALL(openat, AT_FDCWD, hidden, O_RDONLY | O_CLOEXEC, 0, 0, 0) != -ENOENT) {
		wrong(outcome, "openat", "what is hidden can be opened by its path");
		return 0;
	}
	return 1;
}

void expect_read_only(struct outcome *outcome, const char *path, const char *content)
{
	char found[100];
	long result = read_file(path, found, sizeof(found));

	if (failed(outcome, "read-back", result))
		return;
	if (!text_equal(found, content)) {
		wrong(outcome, "read-back", "the file below the mount is still the one that shows");
		return;
	}
	result = write_file(path, "overwritten");
	if (result == -EROFS)
		passed(outcome);
	else if (result < 0)
		refused(outcome, "write-refused", result, EROFS);
	else
		wrong(outcome, "write-refused", "a read-only mount could be written to");
}
