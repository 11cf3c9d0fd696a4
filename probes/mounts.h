/* SPDX-License-Identifier: Apache-2.0
 *
 * The mount system calls, as the probes of mounts and file systems use them (linux/mount.h).
 */
#ifndef BOOTWRIGHT_MOUNTS_H
#define BOOTWRIGHT_MOUNTS_H

#include "guest.h"

enum {
	OPEN_TREE_CLONE = 1, OPEN_TREE_CLOEXEC = O_CLOEXEC, MOVE_MOUNT_F_EMPTY_PATH = 4,
	FSOPEN_CLOEXEC = 1, FSMOUNT_CLOEXEC = 1, FSCONFIG_SET_STRING = 1, FSCONFIG_SET_FD = 5,
	FSCONFIG_CMD_CREATE = 6,
	MOUNT_ATTR_RDONLY = 1, MOUNT_ATTR_NOSUID = 2, MOUNT_ATTR_NODEV = 4, MOUNT_ATTR_NOEXEC = 8,
	MS_RDONLY = 1, MS_REMOUNT = 32, MS_BIND = 4096, MNT_DETACH = 2,
	MOUNT_ATTR_SIZE_VER0 = 32,
};
struct mount_attr { u64 set, clear, propagation, userns_fd; };

/* A tmpfs that is mounted nowhere yet, made as Talos makes one; the descriptor, or -errno stated in
 * `outcome` with the call that failed. `size` is the option's text, NULL for none. */
long detached_tmpfs(struct outcome *outcome, const char *size);
/* Create `name` with `content` in the tree at `fd`, and return it open. */
long file_in(struct outcome *outcome, long fd, const char *name, const char *content);
long clone_of(long fd, const char *path, int flags);
long attach(long fd, const char *path);
/* Put an empty read-only tmpfs on `directory`, below which `hidden` was reachable until then: whether that
 * worked and `hidden` is not any more; else states the outcome. */
int cover_up(struct outcome *outcome, const char *directory, const char *hidden);
/* `path` must hold `content`, and refuse writing: states the outcome. */
void expect_read_only(struct outcome *outcome, const char *path, const char *content);

#endif
