/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernel runs to load a module it asks for by itself: `/sbin/modprobe -q -- NAME`
 * (kernel/module/kmod.c, Linux 6.12). Drivers depend on it for device frequency governors, PHYs and more.
 */
#include "../guest.h"
#include "../load.h"

int main(void);

void say(const char *line)
{
	(void)line;
}

long close_file(long fd)
{
	return SYSCALL(close, fd, 0, 0, 0, 0, 0);
}

int main(void)
{
	static char words[4096];
	long fd = SYSCALL(openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC, 0, 0, 0), got;
	const char *last = words;

	got = fd < 0 ? fd : SYSCALL(read, fd, words, sizeof(words) - 2, 0, 0, 0);
	for (long at = 0; at + 1 < got; at++)
		if (!words[at])
			last = words + at + 1;
	if (got > 0 && *last && load_tables())
		load_named(last);
	SYSCALL(exit_group, loaded_any() ? 0 : 1, 0, 0, 0, 0, 0);
	return 0;
}
