/* SPDX-License-Identifier: Apache-2.0
 *
 * `overlays`: the writable /etc of Talos Linux >= 1.14, and what takes its place on older kernels.
 *
 * Talos clones /etc as the lower layer, makes `upper` and `work` on a tmpfs that is attached nowhere, gives
 * overlayfs the descriptors of the three, and attaches a read-only clone of the detached overlay on /etc
 * (siderolabs/talos v1.14.0 internal/app/machined/pkg/runtime/v1alpha2/etc_overlay.go and
 * internal/pkg/mount/v3).
 * What decides in the kernel: fs/overlayfs/params.c takes descriptors for layers since Linux 6.13.
 */
#include "mounts.h"

#define HIDDEN "/hidden"   /* a private directory for an attached tmpfs */
#define ETC "/etc"

static const char below[] = "below\n";
static const char above[] = "above\n";

static void ready(void)
{
	make_directory(ETC);
	make_directory(HIDDEN);
	make_file(ETC "/os-release", below);
	make_file(ETC "/hosts", below);
}

/* A context of overlayfs; -1 with the outcome stated, also where this kernel has none. */
static long overlay_context(struct outcome *outcome)
{
	long context = SYSCALL(fsopen, "overlay", FSOPEN_CLOEXEC, 0, 0, 0, 0);

	if (context == -ENODEV) {
		skipped(outcome, "this kernel has no overlayfs, or its module is not here");
		return -1;
	}
	return failed(outcome, "fsopen-overlay", context) ? -1 : context;
}

static long directory_in(struct outcome *outcome, long tree, const char *name)
{
	long fd;

	if (failed(outcome, "mkdirat", SYSCALL(mkdirat, tree, name, 0755, 0, 0, 0)))
		return -1;
	fd = SYSCALL(openat, tree, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0, 0);
	return failed(outcome, "openat", fd) ? -1 : fd;
}

static int layer_by_fd(struct outcome *outcome, long context, const char *name, const char *call, long fd)
{
	return !failed(outcome, call, SYSCALL(fsconfig, context, FSCONFIG_SET_FD, name, NULL, fd, 0));
}

/* Write through the overlay, and attach a read-only clone of it on /etc. */
static void use(struct outcome *outcome, long overlay)
{
	struct mount_attr attributes = {
		.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
	};
	long tree;

	if (file_in(outcome, overlay, "hosts", above) < 0)
		return;
	tree = clone_of(overlay, "", AT_EMPTY_PATH);
	if (failed(outcome, "open_tree", tree) ||
	    failed(outcome, "mount_setattr",
		   SYSCALL(mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes), 0)) ||
	    failed(outcome, "move_mount", attach(tree, ETC)))
		return;
	expect_read_only(outcome, ETC "/hosts", above);
}

/* The overlay, attached nowhere yet; negative with the outcome stated. */
static long mounted(struct outcome *outcome, long context)
{
	long overlay;

	if (failed(outcome, "fsconfig-create", SYSCALL(fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0, 0)))
		return -1;
	overlay = SYSCALL(fsmount, context, FSMOUNT_CLOEXEC, 0, 0, 0, 0);
	return failed(outcome, "fsmount", overlay) ? -1 : overlay;
}

static void by_descriptors(struct outcome *outcome, const char *where)
{
	long context, lower, layers, upper, work, overlay;

	ready();
	context = overlay_context(outcome);
	if (context < 0)
		return;
	lower = clone_of(AT_FDCWD, ETC, 0);
	if (failed(outcome, "open_tree-lower", lower))
		return;
	layers = detached_tmpfs(outcome, "8M");
	if (layers < 0)
		return;
	if (text_equal(where, "attached") && failed(outcome, "move_mount-first", attach(layers, HIDDEN)))
		return;
	upper = directory_in(outcome, layers, "upper");
	work = upper < 0 ? -1 : directory_in(outcome, layers, "work");
	if (work < 0 || !layer_by_fd(outcome, context, "lowerdir+", "fsconfig-lowerdir", lower) ||
	    !layer_by_fd(outcome, context, "upperdir", "fsconfig-upperdir", upper) ||
	    !layer_by_fd(outcome, context, "workdir", "fsconfig-workdir", work))
		return;
	overlay = mounted(outcome, context);
	if (overlay >= 0)
		use(outcome, overlay);
}

static int layer_by_path(struct outcome *outcome, long context, const char *name, const char *path)
{
	return !failed(outcome, "fsconfig-path", SYSCALL(fsconfig, context, FSCONFIG_SET_STRING, name, path, 0, 0));
}

/*
 * What works on kernels before: layers by their paths on an attached tmpfs, and the overlay attached as it
 * is before its clone, which a kernel before 6.15 allows only of what is attached. `hidden`: tmpfs and overlay
 * are then covered, and nothing of them can be reached by a path.
 */
static void by_paths(struct outcome *outcome, const char *how)
{
	long context, layers, overlay;

	ready();
	context = overlay_context(outcome);
	if (context < 0)
		return;
	layers = detached_tmpfs(outcome, "8M");
	if (layers < 0 || failed(outcome, "move_mount-first", attach(layers, HIDDEN)) ||
	    directory_in(outcome, layers, "upper") < 0 || directory_in(outcome, layers, "work") < 0 ||
	    directory_in(outcome, layers, "whole") < 0 ||
	    !layer_by_path(outcome, context, "lowerdir", ETC) ||
	    !layer_by_path(outcome, context, "upperdir", HIDDEN "/upper") ||
	    !layer_by_path(outcome, context, "workdir", HIDDEN "/work"))
		return;
	overlay = mounted(outcome, context);
	if (overlay >= 0 && !failed(outcome, "move_mount-overlay", attach(overlay, HIDDEN "/whole")) &&
	    (text_equal(how, "open") || cover_up(outcome, HIDDEN, HIDDEN "/whole/hosts")))
		use(outcome, overlay);
}

/* The data of udev that Talos 1.14 makes writable: a file is cloned by its name in a tmpfs. */
static void file_by_name(struct outcome *outcome, const char *how)
{
	struct mount_attr attributes = { .set = MOUNT_ATTR_RDONLY };
	long layers, tree;

	ready();
	layers = detached_tmpfs(outcome, NULL);
	if (layers < 0 || file_in(outcome, layers, "hwdb.bin", above) < 0)
		return;
	if (text_equal(how, "hidden") && (failed(outcome, "move_mount-first", attach(layers, HIDDEN)) ||
					  !cover_up(outcome, HIDDEN, HIDDEN "/hwdb.bin")))
		return;
	tree = clone_of(layers, "hwdb.bin", 0);
	if (failed(outcome, "open_tree", tree) ||
	    failed(outcome, "mount_setattr",
		   SYSCALL(mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes), 0)) ||
	    failed(outcome, "move_mount", attach(tree, ETC "/hosts")))
		return;
	expect_read_only(outcome, ETC "/hosts", above);
}

static int prepare(struct test *tests, int room)
{
	static const struct test all[] = {
		{ "talos-1.14-etc-overlay", by_descriptors, "detached" },
		{ "overlay-of-attached-descriptors", by_descriptors, "attached" },
		{ "overlay-of-paths", by_paths, "open" },
		{ "overlay-of-hidden-paths", by_paths, "hidden" },
		{ "talos-1.14-udev-hwdb", file_by_name, "detached" },
		{ "hidden-file-by-name", file_by_name, "hidden" },
	};

	(void)room;
	load_modules("/bootwright/overlays.modules");
	memcpy(tests, all, sizeof(all));
	return COUNT(all);
}

static void clean(void)
{
	static const char *const used[] = { ETC "/hosts", ETC, HIDDEN "/whole", HIDDEN };

	for (int at = 0; at < COUNT(used); at++)
		while (SYSCALL(umount2, used[at], MNT_DETACH, 0, 0, 0, 0) == 0)
			;
}

PROBE overlays = { "overlays", prepare, clean, 10, 1 };
