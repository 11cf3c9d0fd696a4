/*
 * The ground the step stands on: the C library's headers, system calls that return -errno as the kernel
 * does, and results that are printed as each call is made.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* Headers older than these calls; the numbers are the same on all 64-bit architectures but alpha. */
#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

_Static_assert(sizeof(long) == 8, "the structures given to the kernel are those of 64-bit architectures");

typedef unsigned char u8;
typedef unsigned long u64;

static long kernel_result(long result)
{
	return result < 0 ? -errno : result;
}

#define SYSCALL(name, a, b, c, d, e, f) \
	kernel_result(syscall(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)))
#define auxiliary_value(type) getauxval(type)
