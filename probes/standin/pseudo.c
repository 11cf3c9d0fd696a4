/* SPDX-License-Identifier: Apache-2.0
 *
 * The pseudo file systems that Talos mounts, in its order and with its options, by the calls it uses
 * (siderolabs/talos v1.12.1 internal/pkg/mount/v3/helpers.go: Pseudo, PseudoLate, PseudoSub, NewCgroup2). It loads
 * no module before, so that what the kernel has as a module must have been loaded in front of init.
 */
#include "standin.h"
#include "../mounts.h"

enum { FSCONFIG_SET_FLAG = 0 }; /* linux/mount.h */
enum { SAFE = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV };

static int always(void)
{
	return 1;
}

static int has_argument(const char *argument)
{
	static char line[4096];
	int length = text_length(argument);

	read_file("/proc/cmdline", line, sizeof(line));
	for (const char *at = line; (at = text_find(at, argument)); at += length)
		if ((at == line || at[-1] == ' ') && (!at[length] || at[length] == ' ' || at[length] == '\n'))
			return 1;
	return 0;
}

static int is_directory(const char *path)
{
	long fd = SYSCALL(openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0, 0);

	if (fd >= 0)
		close_file(fd);
	return fd >= 0;
}

/* internal/pkg/selinux IsEnabled, from 1.10.2 on; before, by the argument alone. */
static int selinux_runs(void)
{
	return has_argument("selinux=1") && is_directory("/sys/fs/selinux");
}

static int has_efi_variables(void)
{
	return is_directory("/sys/firmware/efi/efivars");
}

struct option_of { const char *key, *value; }; /* without a value: a flag */
struct pseudo {
	const char *type, *on;
	u64 attributes;
	struct option_of options[3];
	int (*wanted)(void);
};

static const struct pseudo first[] = {
	{ "devtmpfs", "/dev", MOUNT_ATTR_NOSUID, { { "mode", "0755" } }, always },
	{ "proc", "/proc", SAFE, { { NULL, NULL } }, always },
	{ "sysfs", "/sys", 0, { { NULL, NULL } }, always },
};
static const struct pseudo late[] = {
	{ "tmpfs", "/run", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, { { "mode", "0755" } }, always },
	{ "tmpfs", "/system", 0, { { "mode", "0755" } }, always },
	{ "tmpfs", "/tmp", SAFE, { { "mode", "0755" }, { "size", "64M" } }, always },
	{ "cgroup2", "/sys/fs/cgroup", SAFE,
	  { { "nsdelegate", NULL }, { "memory_recursiveprot", NULL } }, always },
};
static const struct pseudo below[] = { /* PseudoSub: already in the initramfs, below the first ones */
	{ "tmpfs", "/dev/shm", SAFE, { { NULL, NULL } }, always },
	{ "devpts", "/dev/pts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	  { { "ptmxmode", "000" }, { "mode", "620" }, { "gid", "5" } }, always },
	{ "hugetlbfs", "/dev/hugepages", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, { { NULL, NULL } }, always },
	{ "bpf", "/sys/fs/bpf", 0, { { NULL, NULL } }, always },
	{ "securityfs", "/sys/kernel/security", SAFE, { { NULL, NULL } }, always },
	{ "tracefs", "/sys/kernel/tracing", SAFE, { { NULL, NULL } }, always },
	{ "configfs", "/sys/kernel/config", SAFE, { { NULL, NULL } }, always },
	{ "debugfs", "/sys/kernel/debug", SAFE, { { NULL, NULL } }, always },
	{ "selinuxfs", "/sys/fs/selinux", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, { { NULL, NULL } },
	  selinux_runs },
	{ "efivarfs", "/sys/firmware/efi/efivars", SAFE | MOUNT_ATTR_RDONLY, { { NULL, NULL } },
	  has_efi_variables },
};

static long configured(long context, const struct pseudo *of)
{
	for (int at = 0; at < COUNT(of->options) && of->options[at].key; at++) {
		const struct option_of *option = &of->options[at];
		int command = option->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
		long result = SYSCALL(fsconfig, context, command, option->key, option->value, 0, 0);

		if (result < 0)
			return result;
	}
	return SYSCALL(fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0, 0);
}

/* `call` is the call that failed, where one did. */
static long mount_one(const struct pseudo *of, const char **call)
{
	long context = SYSCALL(fsopen, of->type, FSOPEN_CLOEXEC, 0, 0, 0, 0), result, mounted;

	*call = NULL;
	if (context < 0)
		return context;
	*call = "FSCONFIG_CMD_CREATE failed";
	result = configured(context, of);
	if (result >= 0) {
		*call = "FSMOUNT failed";
		mounted = SYSCALL(fsmount, context, FSMOUNT_CLOEXEC, of->attributes, 0, 0, 0);
		result = mounted;
		if (mounted >= 0) {
			*call = "move_mount failed";
			make_directory(of->on);
			result = SYSCALL(move_mount, mounted, "", AT_FDCWD, of->on, MOVE_MOUNT_F_EMPTY_PATH, 0);
			close_file(mounted);
		}
	}
	close_file(context);
	return result;
}

static void mount_all(const struct pseudo *of, int count)
{
	for (; count--; of++) {
		const char *call;
		long result = of->wanted() ? mount_one(of, &call) : 0;
		TEXT(line, 200);

		if (result >= 0)
			continue;
		/* internal/app/init/main.go recovery(), internal/pkg/mount/v3/manager.go, pkg/xfs/fsopen */
		text_add(&line, "recovered from: early boot failed: openfs failed: failed to create root filesystem: ");
		if (call) {
			text_add(&line, call);
		} else {
			text_add(&line, "unix.Fsopen fstype=\"");
			text_add(&line, of->type);
			text_add(&line, "\" failed");
		}
		give_up(line.data, result);
	}
}

void mount_first(void)
{
	mount_all(first, COUNT(first));
	mount_all(below, COUNT(below));
}

void mount_late(void)
{
	mount_all(late, COUNT(late));
}

int asked_to_wipe(void)
{
	return has_argument("talos.experimental.wipe=system");
}
