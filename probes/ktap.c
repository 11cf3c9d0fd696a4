/* SPDX-License-Identifier: Apache-2.0
 *
 * Results as KTAP version 1 (Documentation/dev-tools/ktap.rst, Linux 6.12), a test a process.
 *
 * Lines go through /dev/kmsg: the kernel prints each whole, so that its own messages cannot split one.
 * Each carries the mark of this boot, given on the command line, so that nothing else the kernel prints
 * (KUnit speaks KTAP too) can be taken for a result.
 */
#include "guest.h"

enum { SIGKILL = 9, SIGCHLD = 17, POLLIN = 1, WNOHANG = 1, ROOM = 64, STACKS = 8, STACK = SPARE_STACKS / STACKS };

/* Of processes: they share memory with init. */
char spare_stacks[SPARE_STACKS] __attribute__((aligned(16)));

static char mark[40];

void set_mark(const char *text)
{
	struct text to = { mark, sizeof(mark), 0 };

	text_add(&to, text);
}

/* With `bootwright.answers=1` lines stay in memory, where the debugger that told so reads them at the end: a
 * line's way through the kernel's log to the console is more of its code than most tests. */
static char answers[1 << 18];
static long answers_used; /* bytes; -1: they do not fit */
static int keeping;

/* Where the debugger stops, and ends the machine: x0 has the address of the answers, x1 their length. In a page of
 * its own: the emulator runs those with breakpoints one instruction at a time. */
__asm__(".text\n.balign 4096\n.globl answers_ready\nanswers_ready: b answers_ready\n.balign 4096\n");

void keep_answers(void)
{
	keeping = 1;
}

void hand_over_answers(void)
{
	if (keeping)
		answers_ready(answers, answers_used);
}

static void keep(const char *text)
{
	while (*text && answers_used >= 0) {
		answers[answers_used++] = *text++;
		if (answers_used == (long)sizeof(answers))
			answers_used = -1;
	}
}

void say(const char *line)
{
	static long log = -2, console = -2;
	TEXT(whole, 800);

	if (keeping) {
		keep(mark);
		keep(": ");
		keep(line);
		keep("\n");
		return;
	}
	if (log == -2)
		log = SYSCALL(openat, AT_FDCWD, "/dev/kmsg", O_WRONLY | O_CLOEXEC, 0, 0, 0);
	/* Level 0 is printed whatever `loglevel=` says. */
	if (log >= 0)
		text_add(&whole, "<0>");
	text_add(&whole, mark);
	text_add(&whole, ": ");
	text_add(&whole, line);
	text_add(&whole, "\n");
	if (log >= 0 && SYSCALL(write, log, whole.data, whole.used, 0, 0, 0) > 0)
		return;
	if (console == -2)
		console = SYSCALL(openat, AT_FDCWD, "/dev/console", O_WRONLY | O_CLOEXEC, 0, 0, 0);
	if (log >= 0)
		SYSCALL(write, console, whole.data + 3, whole.used - 3, 0, 0, 0);
	else
		SYSCALL(write, console, whole.data, whole.used, 0, 0, 0);
}

void say_fact(const char *name, const char *value)
{
	TEXT(line, 300);

	text_add(&line, "# bootwright: ");
	text_add(&line, name);
	text_add(&line, " ");
	text_add(&line, value);
	say(line.data);
}

static void state_call(struct outcome *outcome, const char *call)
{
	struct text to = { outcome->call, sizeof(outcome->call), 0 };

	text_add(&to, call);
}

int failed(struct outcome *outcome, const char *call, long result)
{
	if (result >= 0)
		return 0;
	state_call(outcome, call);
	outcome->error = -result;
	outcome->state = NOT_OK;
	return 1;
}

void passed(struct outcome *outcome)
{
	outcome->state = OK;
}

void skipped(struct outcome *outcome, const char *why)
{
	struct text to = { outcome->note, sizeof(outcome->note), 0 };

	text_add(&to, why);
	outcome->state = SKIPPED;
}

void refused(struct outcome *outcome, const char *call, long result, long error)
{
	state_call(outcome, call);
	outcome->error = result < 0 ? -result : 0;
	outcome->state = result == -error ? OK : NOT_OK;
}

void wrong(struct outcome *outcome, const char *call, const char *note)
{
	struct text to = { outcome->note, sizeof(outcome->note), 0 };

	state_call(outcome, call);
	text_add(&to, note);
	outcome->state = NOT_OK;
}

enum end { ENDED, KILLED, STUCK };

/* Wait for the child no longer than `seconds`; `status` is that of one that ended by itself. */
static enum end ended(long child, int seconds, int *status)
{
	struct { int fd; short events, revents; } poll = { 0, POLLIN, 0 };
	struct { long seconds, nanoseconds; } limit = { seconds, 0 };
	long fd = SYSCALL(pidfd_open, child, 0, 0, 0, 0, 0);
	int in_time = 1;

	if (fd >= 0) {
		poll.fd = (int)fd;
		in_time = SYSCALL(ppoll, &poll, 1, &limit, NULL, 0, 0) > 0;
		close_file(fd);
	}
	if (!in_time) {
		SYSCALL(kill, child, SIGKILL, 0, 0, 0, 0);
		sleep_ms(100);
		/* One that sleeps in the kernel cannot be ended: leave it. */
		return SYSCALL(wait4, child, status, WNOHANG, NULL, 0, 0) == child ? KILLED : STUCK;
	}
	SYSCALL(wait4, child, status, 0, NULL, 0, 0);
	return ENDED;
}

struct running { const struct test *test; struct outcome *outcome; };

static void in_process(void *argument)
{
	const struct running *running = argument;

	running->test->run(running->outcome, running->test->argument);
}

/* Each test has a process and descriptors of its own, and shares memory with the others: copying it would
 * cost an emulator more than the test. */
static void run_in_process(const struct group *group, const struct test *test, struct outcome *outcome)
{
	static int used;
	struct running running = { test, outcome };
	int status = 0;
	enum end end;
	long child;

	if (used == STACKS) {
		wrong(outcome, "probe", "too many tests before this one could not be ended");
		return;
	}
	child = start_process(in_process, &running, spare_stacks + (used + 1) * STACK);
	if (failed(outcome, "clone", child))
		return;
	end = ended(child, group->seconds, &status);
	if (end == STUCK)
		used++; /* it still has that one */
	if (end != ENDED) {
		failed(outcome, outcome->call[0] ? outcome->call : "timeout", -ETIMEDOUT);
	} else if (status) {
		TEXT(note, 60);
		text_add(&note, "the test was killed by signal ");
		text_add_number(&note, status & 127);
		wrong(outcome, "killed", note.data);
	}
}

static void say_outcome(const struct outcome *outcome, const char *name, int number)
{
	TEXT(line, 500);

	if (outcome->kernel[0]) {
		text_add(&line, "  # kernel: ");
		text_add(&line, outcome->kernel);
		say(line.data);
		line.used = 0;
	}
	if (outcome->note[0] && outcome->state != SKIPPED) {
		text_add(&line, "  # ");
		text_add(&line, outcome->note);
		say(line.data);
		line.used = 0;
	}
	text_add(&line, outcome->state == NOT_OK ? "  not ok " : "  ok ");
	text_add_number(&line, number);
	text_add(&line, " ");
	text_add(&line, name);
	if (outcome->state == SKIPPED) {
		text_add(&line, " # SKIP ");
		text_add(&line, outcome->note);
	} else if (outcome->call[0]) {
		text_add(&line, " # ");
		text_add(&line, outcome->call);
		text_add(&line, ": ");
		if (outcome->error)
			text_add_errno(&line, outcome->error);
		else
			text_add(&line, "done");
	}
	say(line.data);
}

/* With `bootwright.step=NAME` only that test is left, in every group that has it; returns how many are. */
static int only_wanted(struct test *tests, int count)
{
	char step[100];
	int kept = 0;

	if (!option("step", step, sizeof(step)))
		return count;
	for (int at = 0; at < count; at++)
		if (text_equal(tests[at].name, step))
			tests[kept++] = tests[at];
	return kept;
}

int run_group(const struct group *group, int number)
{
	static struct test tests[ROOM];
	static struct outcome outcome;
	int count, bad = 0, together, apart;
	static long root = -1; /* where the tests of the group before were in others */
	char wanted[8];
	TEXT(line, 200);

	if (root >= 0)
		return_to_root(root);
	root = -1;
	text_add(&line, "  # Subtest: ");
	text_add(&line, group->name);
	say("  KTAP version 1");
	say(line.data);
	count = only_wanted(tests, group->prepare(tests, ROOM));
	if (option("modules", wanted, sizeof(wanted)))
		say_modules();
	line.used = 0;
	text_add(&line, "  1..");
	text_add_number(&line, count);
	say(line.data);
	together = option("together", wanted, sizeof(wanted));
	apart = together && group->own_roots;
	if (apart)
		root = present_root();
	for (int at = 0; at < count; at++) {
		memset(&outcome, 0, sizeof(outcome));
		kernel_log_mark();
		if (together)
			run_here(&tests[at], &outcome, apart);
		else
			run_in_process(group, &tests[at], &outcome);
		if (outcome.state == OPEN)
			wrong(&outcome, "probe", "the test ended without a result");
		if (group->clean && !apart)
			group->clean();
		say_outcome(&outcome, tests[at].name, at + 1);
		bad += outcome.state == NOT_OK;
	}
	line.used = 0;
	text_add(&line, bad ? "not ok " : "ok ");
	text_add_number(&line, number);
	text_add(&line, " ");
	text_add(&line, group->name);
	say(line.data);
	return bad;
}
