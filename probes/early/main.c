/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads modules before the init of an initramfs runs that expects them to be built in (Talos's mounts a
 * squashfs on a loop device at once), then becomes that init: the same process, arguments and environment.
 * Modules: /bootwright/modules, one path a line, in load order. The other init: /bootwright/init.
 */
typedef unsigned long u64;

/* asm-generic/unistd.h, Linux 6.12 */
enum { NR_openat = 56, NR_close = 57, NR_read = 63, NR_write = 64, NR_exit_group = 94, NR_execve = 221,
       NR_finit_module = 273 };
enum { AT_FDCWD = -100, O_CLOEXEC = 02000000, EEXIST = 17 };

static long call(long number, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory", "cc");
	return x0;
}

static void tell(const char *text)
{
	long length = 0;

	while (text[length])
		length++;
	/* /dev/console, where the kernel found one */
	call(NR_write, 2, (long)text, length, 0);
}

static void load(const char *path)
{
	long file = call(NR_openat, AT_FDCWD, (long)path, O_CLOEXEC, 0);
	long result = file < 0 ? file : call(NR_finit_module, file, (long)"", 0, 0);

	if (file >= 0)
		call(NR_close, file, 0, 0, 0);
	if (result < 0 && result != -EEXIST) {
		tell("bootwright: not loaded: ");
		tell(path);
		tell("\n");
	}
}

/* The stack at entry: argc, argv..., NULL, envp..., NULL. */
__attribute__((used, noreturn)) static void start(u64 *stack)
{
	static char list[16384];
	char **arguments = (char **)(stack + 1), **environment = arguments + stack[0] + 1;
	long file = call(NR_openat, AT_FDCWD, (long)"/bootwright/modules", O_CLOEXEC, 0), used = 0, got;

	while (file >= 0 && used < (long)sizeof(list) - 1 &&
	       (got = call(NR_read, file, (long)(list + used), sizeof(list) - 1 - used, 0)) > 0)
		used += got;
	if (file >= 0)
		call(NR_close, file, 0, 0, 0);
	for (char *path = list, *end; *path; path = end) {
		for (end = path; *end && *end != '\n';)
			end++;
		if (*end)
			*end++ = 0;
		if (*path)
			load(path);
	}
	call(NR_execve, (long)"/bootwright/init", (long)arguments, (long)environment, 0);
	tell("bootwright: /bootwright/init cannot be run\n");
	call(NR_exit_group, 1, 0, 0, 0);
	for (;;)
		;
}

__asm__(".global _start\n"
	".type _start, %function\n"
	"_start:\n"
	"	mov x29, #0\n"
	"	mov x30, #0\n"
	"	mov x0, sp\n"
	"	and sp, x0, #~15\n"
	"	b start\n");
