/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the kernel enters the guest's only program, and how it calls the kernel back.
 */
#include "guest.h"

int main(void);

static const struct auxiliary *auxiliary;

/* The stack at entry: argc, argv…, NULL, envp…, NULL, pairs of the auxiliary vector. */
__attribute__((used, noreturn)) static void start(const u64 *stack)
{
	const u64 *next = stack + 1 + stack[0] + 1;

	while (*next)
		next++;
	auxiliary = (const struct auxiliary *)(next + 1);
	main();
	SYSCALL(exit_group, 1, 0, 0, 0, 0, 0);
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

u64 auxiliary_value(u64 type)
{
	for (const struct auxiliary *entry = auxiliary; entry && entry->type; entry++)
		if (entry->type == type)
			return entry->value;
	return 0;
}

long syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory", "cc");
	return x0;
}

/* clone(2) in assembler: the child has a stack of its own, on which nothing of this function is. */
__asm__(".global start_process\n"
	".type start_process, %function\n"
	"start_process:\n"
	"	stp x0, x1, [x2, #-16]!\n"
	"	mov x0, #0x111\n" /* CLONE_VM | SIGCHLD */
	"	mov x1, x2\n"
	"	mov x2, #0\n"
	"	mov x3, #0\n"
	"	mov x4, #0\n"
	"	mov x8, #220\n" /* clone */
	"	svc #0\n"
	"	cbz x0, 1f\n"
	"	ret\n"
	"1:	mov x29, #0\n"
	"	mov x30, #0\n"
	"	ldp x1, x0, [sp], #16\n"
	"	blr x1\n"
	"	mov x0, #0\n"
	"	mov x8, #94\n" /* exit_group */
	"	svc #0\n");
