/* SPDX-License-Identifier: Apache-2.0
 *
 * Files, time, modules, and the kernel's own log.
 */
#include "guest.h"

enum { LISTS = 8 };

struct timespec { long seconds, nanoseconds; };

long make_directory(const char *path)
{
	long result = SYSCALL(mkdirat, AT_FDCWD, path, 0755, 0, 0, 0);

	return result == -EEXIST ? 0 : result;
}

long close_file(long fd)
{
	return SYSCALL(close, fd, 0, 0, 0, 0, 0);
}

static long put_file(const char *path, const char *content, int flags)
{
	long fd = SYSCALL(openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC | flags, 0644, 0, 0), written;

	if (fd < 0)
		return fd;
	written = SYSCALL(write, fd, content, text_length(content), 0, 0, 0);
	close_file(fd);
	return written < 0 ? written : 0;
}

long make_file(const char *path, const char *content)
{
	return put_file(path, content, O_CREAT | O_TRUNC);
}

long write_file(const char *path, const char *content)
{
	return put_file(path, content, 0);
}

long read_file(const char *path, char *to, int size)
{
	long fd = SYSCALL(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0, 0, 0), got = 0;
	int used = 0;

	to[0] = 0;
	if (fd < 0)
		return fd;
	while (used < size - 1 && (got = SYSCALL(read, fd, to + used, size - 1 - used, 0, 0, 0)) > 0)
		used += (int)got;
	close_file(fd);
	to[used] = 0;
	return got < 0 ? got : used;
}

void sleep_ms(long ms)
{
	struct timespec wait = { ms / 1000, ms % 1000 * 1000000 };

	SYSCALL(nanosleep, &wait, NULL, 0, 0, 0, 0);
}

long now_ms(void)
{
	struct timespec now;

	SYSCALL(clock_gettime, 1 /* CLOCK_MONOTONIC */, &now, 0, 0, 0, 0);
	return now.seconds * 1000 + now.nanoseconds / 1000000;
}

static long load_module(const char *path)
{
	long fd = SYSCALL(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0, 0, 0), result;

	if (fd < 0)
		return fd;
	result = SYSCALL(finit_module, fd, "", 0, 0, 0, 0);
	close_file(fd);
	return result == -EEXIST ? 0 : result;
}

/* Modules of which nothing is to be said are loaded once: those of a snapshot are in it. */
long load_modules(const char *list)
{
	static const char *loaded[LISTS];
	static char paths[16384];
	static int lists;
	long worst = 0, size;

	for (int at = 0; at < lists; at++)
		if (text_equal(loaded[at], list))
			return 0;
	size = read_file(list, paths, sizeof(paths));
	if (size < 0)
		return size == -ENOENT ? 0 : size;
	for (char *path = paths; *path;) {
		char *end = path;
		long result;

		while (*end && *end != '\n')
			end++;
		if (*end)
			*end++ = 0;
		result = load_module(path);
		if (result < 0) {
			TEXT(line, 200);
			text_add(&line, "# module ");
			text_add(&line, path);
			text_add(&line, ": ");
			text_add_errno(&line, -result);
			say(line.data);
			worst = result;
		}
		path = end;
	}
	if (!worst && lists < LISTS)
		loaded[lists++] = list;
	return worst;
}

static long log_fd = -1;

/* /dev/kmsg gives one record a read: `level,sequence,microseconds,-;text` (Documentation/ABI/testing/dev-kmsg). */
static long next_record(char *to, int size)
{
	long got;

	if (log_fd < 0)
		return -ENODATA;
	do
		got = SYSCALL(read, log_fd, to, size - 1, 0, 0, 0);
	while (got == -32 /* EPIPE: records were lost, the next read goes on */);
	if (got < 0)
		return got;
	to[got] = 0;
	return got;
}

void kernel_log_mark(void)
{
	if (log_fd < 0)
		log_fd = SYSCALL(openat, AT_FDCWD, "/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, 0, 0);
	SYSCALL(lseek, log_fd, 0, 2 /* SEEK_END */, 0, 0, 0);
}

long last_complaint(char *to, int size)
{
	char record[1024];
	long found = -ENODATA;

	while (next_record(record, sizeof(record)) > 0) {
		struct text line = { to, size, 0 };
		char *start = (char *)text_find(record, ";"), *end;

		/* One digit: the kernel's own (facility 0, where our lines are not), and its level. */
		if (!start || record[1] != ',' || record[0] > '4')
			continue;
		for (end = ++start; *end && *end != '\n'; end++)
			;
		*end = 0;
		text_add(&line, start);
		found = 0;
	}
	return found;
}
