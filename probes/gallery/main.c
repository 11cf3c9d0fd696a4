/* SPDX-License-Identifier: Apache-2.0
 *
 * The init of the gallery's guests: carries out /script line by line, each a verb and its arguments.
 * What fails is reported in the form of the tool a real system would have used, and the script goes on.
 */
#include "gallery.h"

int main(void);

/* One line to the console, which the kernel opened as this process's output; all at once. */
void say(const char *line)
{
	TEXT(whole, 1024);

	text_add(&whole, line);
	text_add(&whole, "\n");
	SYSCALL(write, 1, whole.data, whole.used, 0, 0, 0);
}

void report(const char *before, const char *what, const char *middle, long error)
{
	TEXT(line, 400);

	text_add(&line, before);
	text_add(&line, what);
	text_add(&line, middle);
	text_add_words(&line, error < 0 ? -error : error);
	say(line.data);
}

static void report_tool(const char *tool, const char *what, long error)
{
	TEXT(before, 60);

	text_add(&before, tool);
	text_add(&before, ": ");
	report(before.data, what, ": ", error);
}

static long open_file(const char *path, int flags)
{
	return SYSCALL(openat, AT_FDCWD, path, flags | O_CLOEXEC, 0644, 0, 0);
}

static void load(const char *path, const char *parameters)
{
	long file = open_file(path, O_RDONLY), result = file;

	if (file >= 0)
		result = SYSCALL(finit_module, file, parameters ? parameters : "", 0, 0, 0, 0);
	if (result < 0)
		report("insmod: ERROR: could not insert module ", path, ": ", result);
	if (file >= 0)
		close_file(file);
}

static void load_all(const char *list)
{
	static char paths[16384];
	char *next = paths;

	read_file(list, paths, sizeof(paths));
	while (*next)
		load(next_word(&next, '\n'), NULL);
}

static void attach(const char *device, const char *image)
{
	long loop = open_file(device, O_RDWR), file = loop < 0 ? loop : open_file(image, O_RDWR);
	long result = file < 0 ? file : SYSCALL(ioctl, loop, LOOP_SET_FD, file, 0, 0, 0);

	if (result < 0)
		report_tool("losetup", image, result);
}

static void put(const char *path, const char *text)
{
	long file = open_file(path, O_WRONLY | O_CREAT), result = file;

	if (file >= 0)
		result = SYSCALL(write, file, text, text_length(text), 0, 0, 0);
	if (result < 0)
		report_tool("write", path, result);
	if (file >= 0)
		close_file(file);
}

/* Takes memory, and touches it, until there is none. */
static void eat(void)
{
	enum { PIECE = 1 << 20, PROT_READ_WRITE = 3, MAP_PRIVATE_ANONYMOUS = 0x22 };
	TEXT(line, 80);
	long total = 0;

	for (;;) {
		long piece = SYSCALL(mmap, NULL, PIECE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);

		if (piece < 0 && piece > -4096)
			break;
		memset((void *)piece, 1, PIECE);
		total += PIECE;
	}
	text_add(&line, "malloc failed after ");
	text_add_number(&line, total);
	text_add(&line, " bytes");
	say(line.data);
}

static long fork_process(void)
{
	return SYSCALL(clone, SIGCHLD, 0, 0, 0, 0, 0);
}

/* Writing to a frozen file system sleeps uninterruptibly until somebody thaws it. */
static void hang(const char *folder)
{
	TEXT(path, 256);
	long place = open_file(folder, O_RDONLY);
	long result = place < 0 ? place : SYSCALL(ioctl, place, FIFREEZE, 0, 0, 0, 0);

	if (result < 0)
		report_tool("fsfreeze", folder, result);
	text_add(&path, folder);
	text_add(&path, "/stuck");
	if (fork_process() == 0) {
		put(path.data, "x");
		SYSCALL(exit_group, 0, 0, 0, 0, 0, 0);
	}
}

/* The calls of Talos 1.12 for /etc/hosts, and the line it logs when they fail. */
static void shadow(const char *name)
{
	long context = SYSCALL(fsopen, "tmpfs", 1 /* FSOPEN_CLOEXEC */, 0, 0, 0, 0), made, file, tree;
	TEXT(line, 500);

	SYSCALL(fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0, 0);
	made = SYSCALL(fsmount, context, 1 /* FSMOUNT_CLOEXEC */, 0, 0, 0, 0);
	file = SYSCALL(openat, made, name, O_CREAT | O_RDWR, 0644, 0, 0);
	tree = SYSCALL(open_tree, file, "", 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC | AT_EMPTY_PATH, 0, 0, 0);
	if (tree >= 0) {
		text_add(&line, "[talos] created /etc/");
		text_add(&line, name);
		say(line.data);
		return;
	}
	text_add(&line, "[talos] controller failed {\"component\": \"controller-runtime\", "
			"\"controller\": \"files.EtcFileController\", \"error\": \"failed to create shadow bind mount \\\"");
	text_add(&line, name);
	text_add(&line, "\\\" -> \\\"/etc/");
	text_add(&line, name);
	text_add(&line, "\\\" (mode: fd): failed to opentree: ");
	if (tree == -EINVAL)
		text_add(&line, "invalid argument"); /* Go's word for it begins with a small letter */
	else
		text_add_words(&line, -tree);
	text_add(&line, "\"}");
	say(line.data);
}

/* Reads a physical address that no device answers at. */
static void peek(const char *address)
{
	enum { PROT_READ = 1, MAP_SHARED = 1, PIECE = 4096 };
	long memory = open_file("/dev/mem", O_RDONLY | O_SYNC), word = memory;
	TEXT(line, 80);

	if (memory >= 0)
		word = SYSCALL(mmap, NULL, PIECE, PROT_READ, MAP_SHARED, memory, (long)number_in(address));
	if (word < 0 && word > -4096) {
		report_tool("devmem", address, word);
		return;
	}
	text_add(&line, address);
	text_add(&line, ": ");
	text_add_number(&line, *(volatile u32 *)word);
	say(line.data);
}

static void copy_to_nowhere(const char *path)
{
	static char piece[4096];
	long file = open_file(path, O_RDONLY), result = file;

	if (file >= 0)
		result = SYSCALL(read, file, piece, sizeof(piece), 0, 0, 0);
	if (result < 0)
		report_tool("dd", path, result);
	if (file >= 0)
		close_file(file);
}

/* Opens a watchdog, feeds it once, and closes it without the letter that would stop it. */
static void stop_feeding(const char *path)
{
	long dog = open_file(path, O_WRONLY), result = dog;

	if (dog >= 0)
		result = SYSCALL(write, dog, "x", 1, 0, 0, 0);
	if (result < 0)
		report_tool("watchdog", path, result);
	if (dog >= 0)
		close_file(dog);
}

static void run(char *const *word)
{
	static const char *const environment[] = { "PATH=/sbin:/bin", NULL };
	long child = fork_process();

	if (child == 0) {
		long result = SYSCALL(execve, word[0], word, environment, 0, 0, 0);

		report_tool("sh", word[0], result);
		SYSCALL(exit_group, 126, 0, 0, 0, 0, 0);
	}
	SYSCALL(wait4, child, NULL, 0, NULL, 0, 0);
}

static void end_with(long command)
{
	/* What was said goes out first: a machine that is switched off sends nothing more. */
	SYSCALL(ioctl, 1, TCSBRK, 1, 0, 0, 0);
	/* linux/reboot.h: LINUX_REBOOT_MAGIC1, MAGIC2 */
	SYSCALL(reboot, 0xfee1dead, 672274793, command, NULL, 0, 0);
}

static void carry_out(char *line)
{
	char *word[7] = { NULL };
	char *next = line, *verb = next_word(&next, ' ');
	int count = 0;

	if (!*verb || *verb == '#')
		return;
	if (text_equal(verb, "say")) {
		say(next);
		return;
	}
	if (text_equal(verb, "write")) {
		char *path = next_word(&next, ' ');

		put(path, next);
		return;
	}
	while (count < 6 && *next)
		if (*(word[count] = next_word(&next, ' ')))
			count++;
	for (int at = count; at < 6; at++)
		word[at] = NULL;
	if (text_equal(verb, "folder"))
		make_directory(word[0]);
	else if (text_equal(verb, "mount")) {
		long result = SYSCALL(mount, word[1], word[2], word[0], 0, word[3], 0);
		TEXT(before, 200);

		text_add(&before, "mount: mounting ");
		text_add(&before, word[1]);
		text_add(&before, " on ");
		if (result < 0)
			report(before.data, word[2], " failed: ", result);
	} else if (text_equal(verb, "load"))
		load(word[0], word[1]);
	else if (text_equal(verb, "load-all"))
		load_all(word[0]);
	else if (text_equal(verb, "attach"))
		attach(word[0], word[1]);
	else if (text_equal(verb, "swapon")) {
		long result = SYSCALL(swapon, word[0], 0, 0, 0, 0, 0);

		if (result < 0)
			report("swapon: ", word[0], ": swapon failed: ", result);
	} else if (text_equal(verb, "eat"))
		eat();
	else if (text_equal(verb, "hang"))
		hang(word[0]);
	else if (text_equal(verb, "dhcp"))
		ask_dhcp(word[0], (int)number_in(word[1]));
	else if (text_equal(verb, "shadow"))
		shadow(word[0]);
	else if (text_equal(verb, "watchdog"))
		stop_feeding(word[0]);
	else if (text_equal(verb, "peek"))
		peek(word[0]);
	else if (text_equal(verb, "read"))
		copy_to_nowhere(word[0]);
	else if (text_equal(verb, "sleep"))
		sleep_ms(1000 * (long)number_in(word[0]));
	else if (text_equal(verb, "crash"))
		*(volatile int *)NULL = 1;
	else if (text_equal(verb, "undefined"))
		__asm__ volatile(".inst 0"); /* udf #0: permanently undefined (Arm ARM, C6.2) */
	else if (text_equal(verb, "exit"))
		SYSCALL(exit_group, (long)number_in(word[0]), 0, 0, 0, 0, 0);
	else if (text_equal(verb, "run"))
		run(word);
	else if (text_equal(verb, "power-off"))
		end_with(0x4321fedc);
	else if (text_equal(verb, "restart"))
		end_with(0x01234567);
	else {
		TEXT(unknown, 100);

		text_add(&unknown, "no such verb: ");
		text_add(&unknown, verb);
		say(unknown.data);
	}
}

int main(void)
{
	static char script[16384];
	char *next = script;

	read_file("/script", script, sizeof(script));
	while (*next)
		carry_out(next_word(&next, '\n'));
	for (;;)
		sleep_ms(1000);
}
