/* SPDX-License-Identifier: Apache-2.0
 *
 * `program`: a program of the user's own, /bootwright/program, run once. It has the console as its output.
 */
#include "guest.h"

enum { SIGCHLD = 17 };

#define PROGRAM "/bootwright/program"

static void run_program(struct outcome *outcome, const char *argument)
{
	static const char *const arguments[] = { PROGRAM, NULL };
	static const char *const environment[] = { "HOME=/", "PATH=/bootwright", NULL };
	int status = 0;
	long child;
	TEXT(note, 80);

	(void)argument;
	child = SYSCALL(clone, SIGCHLD, 0, 0, 0, 0, 0);
	if (child == 0) {
		long result = SYSCALL(execve, PROGRAM, arguments, environment, 0, 0, 0);

		SYSCALL(exit_group, result == -8 /* ENOEXEC */ ? 126 : 127, 0, 0, 0, 0, 0);
	}
	if (failed(outcome, "clone", child))
		return;
	SYSCALL(wait4, child, &status, 0, NULL, 0, 0);
	if (!status) {
		passed(outcome);
		return;
	}
	text_add(&note, status & 127 ? "it was killed by signal " : "its exit status is ");
	text_add_number(&note, status & 127 ? status & 127 : status >> 8 & 255);
	wrong(outcome, "program", note.data);
}

static int prepare(struct test *tests, int room)
{
	static const struct test all[] = { { "program", run_program, NULL } };

	(void)room;
	memcpy(tests, all, sizeof(all));
	return COUNT(all);
}

PROBE program = { "program", prepare, NULL, 60, 0 };
