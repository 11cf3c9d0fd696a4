/* SPDX-License-Identifier: Apache-2.0
 *
 * `mounts`: the ways Talos Linux puts its files under /etc, one step at a time.
 *
 * Talos >= 1.12 clones a file of a tmpfs that is attached nowhere; Talos <= 1.11 clones a path on an
 * attached one (siderolabs/talos v1.12.1 internal/pkg/mount/v3/mount.go and pkg/xfs/fsopen; v1.11
 * internal/pkg/mount/v2). The calls, their order and their flags are the same here.
 * What decides in the kernel: fs/namespace.c, `__do_loopback` and `may_copy_tree`.
 */
#include "mounts.h"

#define SHADOW "/shadow"   /* where an attached tmpfs goes */
#define TARGET "/target"   /* an empty directory to mount on */

static const char below[] = "below\n";
static const char above[] = "above\n";

static void ready_target(const char *path)
{
	make_directory("/etc");
	make_directory("/etc/cri");
	make_directory("/etc/cri/conf.d");
	make_directory("/etc/cri/conf.d/hosts");
	make_directory(SHADOW);
	make_directory(TARGET);
	if (path)
		make_file(path, below);
}

/* Clone what `fd` is, make the clone read-only, attach it on `target`: Talos's helper in three calls. */
static int bind_with(struct outcome *outcome, long fd, const char *path, const char *target, u64 set)
{
	struct mount_attr attributes = { .set = set };
	long tree = clone_of(fd, path, path[0] ? 0 : AT_EMPTY_PATH);

	if (failed(outcome, "open_tree", tree))
		return 0;
	if (failed(outcome, "mount_setattr",
		   SYSCALL(mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes), 0)))
		return 0;
	return !failed(outcome, "move_mount", attach(tree, target));
}

static int bind_read_only(struct outcome *outcome, long fd, const char *path, const char *target)
{
	return bind_with(outcome, fd, path, target, MOUNT_ATTR_RDONLY);
}

static void detached_file(struct outcome *outcome, const char *target, u64 set)
{
	const char *name = text_equal(target, "/etc/hosts") ? "hosts" : "resolv.conf";
	long tree, file;

	ready_target(target);
	tree = detached_tmpfs(outcome, "8M");
	if (tree < 0)
		return;
	file = file_in(outcome, tree, name, above);
	if (file >= 0 && bind_with(outcome, file, "", target, set))
		expect_read_only(outcome, target, above);
}

static void talos_1_12_file(struct outcome *outcome, const char *target)
{
	detached_file(outcome, target, MOUNT_ATTR_RDONLY);
}

/* Talos 1.14 still clones resolv.conf, and forbids more on the clone. */
static void talos_1_14_file(struct outcome *outcome, const char *target)
{
	detached_file(outcome, target,
		      MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

/*
 * MS_BIND of a file of a detached tmpfs by the only path that it has: what a fallback to the older call
 * would try first. fs/namespace.c (Linux 6.12) asks the same of it as of open_tree.
 */
static void bind_detached(struct outcome *outcome, const char *target)
{
	TEXT(path, 40);
	long tree, file;

	ready_target(target);
	tree = detached_tmpfs(outcome, "8M");
	if (tree < 0)
		return;
	file = file_in(outcome, tree, "hosts", above);
	if (file < 0)
		return;
	text_add(&path, "/proc/self/fd/");
	text_add_number(&path, file);
	if (failed(outcome, "mount-bind", SYSCALL(mount, path.data, target, NULL, MS_BIND, NULL, 0)) ||
	    failed(outcome, "mount-remount",
		   SYSCALL(mount, NULL, target, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL, 0)))
		return;
	expect_read_only(outcome, target, above);
}

/* The CRI registry configuration is a directory: opened for reading, then cloned the same way. */
static void talos_1_12_directory(struct outcome *outcome, const char *target)
{
	long tree, directory, file;

	ready_target(NULL);
	tree = detached_tmpfs(outcome, "8M");
	if (tree < 0 || failed(outcome, "mkdirat", SYSCALL(mkdirat, tree, "hosts", 0755, 0, 0, 0)))
		return;
	directory = SYSCALL(openat, tree, "hosts", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0, 0);
	if (failed(outcome, "openat", directory))
		return;
	file = file_in(outcome, directory, "hosts.toml", above);
	if (file >= 0 && bind_read_only(outcome, directory, "", target))
		expect_read_only(outcome, "/etc/cri/conf.d/hosts/hosts.toml", above);
}

static int attached_tmpfs(struct outcome *outcome)
{
	return !failed(outcome, "mount", SYSCALL(mount, "tmpfs", SHADOW, "tmpfs", 0, "mode=0755,size=8M", 0)) &&
	       !failed(outcome, "openat", make_file(SHADOW "/hosts", above));
}

static void talos_1_11_file(struct outcome *outcome, const char *target)
{
	ready_target(target);
	if (attached_tmpfs(outcome) && bind_read_only(outcome, AT_FDCWD, SHADOW "/hosts", target))
		expect_read_only(outcome, target, above);
}

/* What mount(8) --bind does, as a fallback would: a path is needed, so the tmpfs has to be attached. */
static void classic_bind(struct outcome *outcome, const char *target)
{
	ready_target(target);
	if (!attached_tmpfs(outcome) ||
	    failed(outcome, "mount-bind", SYSCALL(mount, SHADOW "/hosts", target, NULL, MS_BIND, NULL, 0)) ||
	    failed(outcome, "mount-remount",
		   SYSCALL(mount, NULL, target, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL, 0)))
		return;
	expect_read_only(outcome, target, above);
}

/*
 * As in Talos 1.12, but the tmpfs is first attached on a private directory, and hidden there by an empty
 * read-only one, before its file is cloned by descriptor: nobody can reach it by a path.
 */
static void attach_hidden(struct outcome *outcome, const char *target)
{
	long tree, file;

	ready_target(target);
	tree = detached_tmpfs(outcome, "8M");
	if (tree < 0)
		return;
	file = file_in(outcome, tree, "hosts", above);
	if (file < 0 || failed(outcome, "move_mount-first", attach(tree, SHADOW)) ||
	    !cover_up(outcome, SHADOW, SHADOW "/hosts"))
		return;
	if (bind_read_only(outcome, file, "", target))
		expect_read_only(outcome, target, above);
}

/* As in Talos 1.12, but the tmpfs is attached somewhere before its file is cloned. */
static void attach_first(struct outcome *outcome, const char *target)
{
	long tree, file;

	ready_target(target);
	tree = detached_tmpfs(outcome, "8M");
	if (tree < 0)
		return;
	file = file_in(outcome, tree, "hosts", above);
	if (file < 0 || failed(outcome, "move_mount-first", attach(tree, SHADOW)))
		return;
	if (bind_read_only(outcome, file, "", target))
		expect_read_only(outcome, target, above);
}

static void clone_attached(struct outcome *outcome, const char *argument)
{
	(void)argument;
	ready_target(NULL);
	if (attached_tmpfs(outcome) && !failed(outcome, "open_tree", clone_of(AT_FDCWD, SHADOW, 0)))
		passed(outcome);
}

static void clone_detached_root(struct outcome *outcome, const char *argument)
{
	long tree = detached_tmpfs(outcome, "8M");

	(void)argument;
	if (tree >= 0 && !failed(outcome, "open_tree", clone_of(tree, "", AT_EMPTY_PATH)))
		passed(outcome);
}

static void clone_detached_file(struct outcome *outcome, const char *argument)
{
	long tree = detached_tmpfs(outcome, "8M"), file;

	(void)argument;
	if (tree < 0)
		return;
	file = file_in(outcome, tree, "hosts", above);
	if (file >= 0 && !failed(outcome, "open_tree", clone_of(file, "", AT_EMPTY_PATH)))
		passed(outcome);
}

/* One tmpfs that is attached nowhere is moved onto a directory of another that is not either. */
static void move_detached(struct outcome *outcome, const char *argument)
{
	long outer = detached_tmpfs(outcome, "8M"), inner, file;
	char found[20];

	(void)argument;
	if (outer < 0 || failed(outcome, "mkdirat", SYSCALL(mkdirat, outer, "inner", 0755, 0, 0, 0)))
		return;
	inner = detached_tmpfs(outcome, "8M");
	if (inner < 0 || file_in(outcome, inner, "hosts", above) < 0)
		return;
	if (failed(outcome, "move_mount",
		   SYSCALL(move_mount, inner, "", outer, "inner", MOVE_MOUNT_F_EMPTY_PATH, 0)))
		return;
	file = SYSCALL(openat, outer, "inner/hosts", O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (failed(outcome, "read-back", file))
		return;
	memset(found, 0, sizeof(found));
	SYSCALL(read, file, found, sizeof(found) - 1, 0, 0, 0);
	if (text_equal(found, above))
		passed(outcome);
	else
		wrong(outcome, "read-back", "the moved mount does not show");
}

/* mount_setattr(2) bounds the size of its structure by its first version and by PAGE_SIZE. */
static void attribute_size(struct outcome *outcome, const char *kind)
{
	static char large[2 * 65536];
	struct mount_attr attributes = { .set = MOUNT_ATTR_RDONLY };
	long page = (long)auxiliary_value(AT_PAGESZ), tree;

	ready_target(NULL);
	if (!attached_tmpfs(outcome))
		return;
	tree = clone_of(AT_FDCWD, SHADOW, 0);
	if (failed(outcome, "open_tree", tree))
		return;
	memcpy(large, &attributes, sizeof(attributes));
#define SET(size) SYSCALL(mount_setattr, tree, "", AT_EMPTY_PATH, large, size, 0)
	if (text_equal(kind, "short"))
		refused(outcome, "mount_setattr", SET(MOUNT_ATTR_SIZE_VER0 - 1), EINVAL);
	else if (text_equal(kind, "first"))
		failed(outcome, "mount_setattr", SET(MOUNT_ATTR_SIZE_VER0)) ? (void)0 : passed(outcome);
	else if (text_equal(kind, "page"))
		failed(outcome, "mount_setattr", SET(page)) ? (void)0 : passed(outcome);
	else
		refused(outcome, "mount_setattr", SET(page + 1), 7 /* E2BIG */);
#undef SET
}

/* tmpfs rounds its size up to whole pages (mm/shmem.c, shmem_parse_one). */
static void tmpfs_size(struct outcome *outcome, const char *size)
{
	struct { long type, block, blocks, rest[20]; } usage; /* asm-generic/statfs.h, in 64-bit words */
	long page = (long)auxiliary_value(AT_PAGESZ), wanted = 0, tree = detached_tmpfs(outcome, size), fit;
	const char *at = size;

	if (tree < 0)
		return;
	for (; *at >= '0' && *at <= '9'; at++)
		wanted = wanted * 10 + *at - '0';
	wanted *= *at == 'M' ? 1048576 : *at == 'K' ? 1024 : 1;
	ready_target(NULL);
	memset(&usage, 0, sizeof(usage));
	if (failed(outcome, "move_mount", attach(tree, TARGET)) ||
	    failed(outcome, "statfs", SYSCALL(statfs, TARGET, &usage, 0, 0, 0, 0)))
		return;
	fit = (wanted + page - 1) / page;
	if (usage.block == page && usage.blocks == fit) {
		passed(outcome);
	} else {
		TEXT(note, 120);
		text_add_number(&note, usage.blocks);
		text_add(&note, " blocks of ");
		text_add_number(&note, usage.block);
		text_add(&note, " bytes, expected ");
		text_add_number(&note, fit);
		wrong(outcome, "statfs", note.data);
	}
}

static int prepare(struct test *tests, int room)
{
	static const struct test all[] = {
		{ "talos-1.12-etc-hosts", talos_1_12_file, "/etc/hosts" },
		{ "talos-1.12-resolv-conf", talos_1_12_file, "/etc/resolv.conf" },
		{ "talos-1.12-cri-hosts", talos_1_12_directory, "/etc/cri/conf.d/hosts" },
		{ "talos-1.14-resolv-conf", talos_1_14_file, "/etc/resolv.conf" },
		{ "talos-1.11-etc-hosts", talos_1_11_file, "/etc/hosts" },
		{ "classic-bind", classic_bind, "/etc/hosts" },
		{ "bind-detached-descriptor", bind_detached, "/etc/hosts" },
		{ "attach-first", attach_first, "/etc/hosts" },
		{ "attach-hidden", attach_hidden, "/etc/hosts" },
		{ "clone-attached", clone_attached, NULL },
		{ "clone-detached-root", clone_detached_root, NULL },
		{ "clone-detached-file", clone_detached_file, NULL },
		{ "move-detached-to-detached", move_detached, NULL },
		{ "mount-setattr-refuses-short", attribute_size, "short" },
		{ "mount-setattr-first-version", attribute_size, "first" },
		{ "mount-setattr-page-size", attribute_size, "page" },
		{ "mount-setattr-refuses-long", attribute_size, "long" },
		{ "tmpfs-size-4K", tmpfs_size, "4K" },
		{ "tmpfs-size-16K", tmpfs_size, "16K" },
		{ "tmpfs-size-20K", tmpfs_size, "20K" },
		{ "tmpfs-size-5000", tmpfs_size, "5000" },
		{ "tmpfs-size-8M", tmpfs_size, "8M" },
	};

	(void)room;
	memcpy(tests, all, sizeof(all));
	return COUNT(all);
}

static void clean(void)
{
	static const char *const used[] = {
		"/etc/hosts", "/etc/resolv.conf", "/etc/cri/conf.d/hosts", TARGET, SHADOW,
	};

	for (int at = 0; at < COUNT(used); at++)
		while (SYSCALL(umount2, used[at], MNT_DETACH, 0, 0, 0, 0) == 0)
			;
}

PROBE mounts = { "mounts", prepare, clean, 10, 1 };
