/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests in init's own process (`bootwright.together=1`), for a run that goes on from a snapshot and stands for one
 * with a process a test and known answers. Every part of the kernel that runs for the first time costs the emulator
 * more than all that runs again; so no test has a process, and what a test leaves is left where the machine ends with
 * the run: taking mounts apart is as much of the kernel's code as making them.
 */
#include "guest.h"

enum { MS_BIND = 4096, MADV_POPULATE_READ = 22, MADV_POPULATE_WRITE = 23, DESCRIPTORS = 64, LATER = 500 };

#define PLACE "/bootwright-root"

long present_root(void)
{
	return SYSCALL(openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0, 0);
}

void return_to_root(long root)
{
	SYSCALL(fchdir, root, 0, 0, 0, 0, 0);
	SYSCALL(chroot, ".", 0, 0, 0, 0, 0);
	close_file(root);
}

/* A root for the next test alone, in that of the one before: who mounts on /etc finds nothing mounted there. */
static int enter_own_root(struct outcome *outcome)
{
	return !failed(outcome, "mkdirat", make_directory(PLACE)) &&
	       !failed(outcome, "mkdirat", make_directory(PLACE "/proc")) &&
	       !failed(outcome, "mount-bind", SYSCALL(mount, "/proc", PLACE "/proc", NULL, MS_BIND, NULL, 0)) &&
	       !failed(outcome, "chroot", SYSCALL(chroot, PLACE, 0, 0, 0, 0, 0));
}

void run_here(const struct test *test, struct outcome *outcome, int own_root)
{
	long first;

	if (own_root) {
		if (enter_own_root(outcome))
			test->run(outcome, test->argument);
		return;
	}
	/* The first descriptor that is not ours, for the test leaves its own open. */
	first = present_root();
	if (failed(outcome, "openat", first))
		return;
	close_file(first);
	test->run(outcome, test->argument);
	if (SYSCALL(close_range, first, ~0U, 0, 0, 0, 0) < 0)
		for (long fd = first; fd < first + DESCRIPTORS; fd++)
			close_file(fd);
}


/* Each page's first use is a fault; a kernel before 5.14 does not know the call, and takes them later. */
static void populate(u64 from, u64 to)
{
	u64 page = auxiliary_value(AT_PAGESZ);

	for (u64 at = from & ~(page - 1); at < to; at += page)
		if (SYSCALL(madvise, at, page, MADV_POPULATE_WRITE, 0, 0, 0) < 0)
			SYSCALL(madvise, at, page, MADV_POPULATE_READ, 0, 0, 0);
}

extern char __executable_start[], _end[]; /* of the linker */

void warm_up(void)
{
	char stack[65536];
	long fd;

	populate((u64)__executable_start, (u64)spare_stacks);
	populate((u64)spare_stacks + SPARE_STACKS, (u64)_end);
	populate((u64)stack, (u64)stack + sizeof(stack));
	/* Descriptors that stay open need a larger table than a process begins with. */
	fd = present_root();
	if (SYSCALL(dup3, fd, LATER, O_CLOEXEC, 0, 0, 0) >= 0)
		close_file(LATER);
	close_file(fd);
}
