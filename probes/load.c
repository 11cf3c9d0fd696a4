/* SPDX-License-Identifier: Apache-2.0
 *
 * Modules by alias, from two tables that the host makes: /bootwright/truth.modules (`path first,second,` a
 * line, the numbers those of the lines to load before) and /bootwright/truth.aliases (`number pattern`).
 */
#include "guest.h"
#include "load.h"

enum { PROT_READ_WRITE = 3, MAP_PRIVATE_ANONYMOUS = 0x22, MODULE_INIT_COMPRESSED_FILE = 4 }; /* linux/module.h */
enum { MOST_MODULES = 8192 };

static char *modules, *aliases;        /* the two files, NUL-terminated */
static char *module_lines[MOST_MODULES]; /* `path first,second,` in load order of their indexes */
static int module_count;
static u8 loaded[MOST_MODULES];
static int news, alias_count;
static struct load_counts counts;

static char *read_whole(const char *path)
{
	long size = 1 << 24, fd = SYSCALL(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0, 0, 0), got, used = 0;
	long memory;

	if (fd < 0)
		return NULL;
	memory = SYSCALL(mmap, 0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
	if (memory < 0 && memory > -4096) {
		close_file(fd);
		return NULL;
	}
	while (used < size - 1 && (got = SYSCALL(read, fd, memory + used, size - 1 - used, 0, 0, 0)) > 0)
		used += got;
	close_file(fd);
	return (char *)memory;
}

/* fnmatch(3) without slashes being special: `*`, `?`, `[a-z]`. */
static int matches(const char *pattern, const char *end, const char *text)
{
	for (; pattern < end; pattern++, text++) {
		if (*pattern == '*') {
			for (pattern++;; text++) {
				if (matches(pattern, end, text))
					return 1;
				if (!*text)
					return 0;
			}
		}
		if (!*text)
			return 0;
		if (*pattern == '[') {
			int in = 0;

			for (pattern++; pattern < end && *pattern != ']'; pattern++) {
				if (pattern + 2 < end && pattern[1] == '-' && pattern[2] != ']') {
					in |= *text >= pattern[0] && *text <= pattern[2];
					pattern += 2;
				} else {
					in |= *text == *pattern;
				}
			}
			if (!in)
				return 0;
		} else if (*pattern != '?' && *pattern != *text) {
			return 0;
		}
	}
	return !*text;
}

static int number_at(const char **at)
{
	int number = 0;

	while (**at >= '0' && **at <= '9')
		number = number * 10 + *(*at)++ - '0';
	return number;
}

static void load_one(int index)
{
	TEXT(path, 300);
	TEXT(line, 400);
	const char *at = module_lines[index];
	int compressed = 0;
	long fd, result;

	loaded[index] = 1;
	news = 1;
	for (; *at && *at != ' ' && *at != '\n'; at++) {
		char letter[2] = { *at, 0 };

		text_add(&path, letter);
	}
	if (path.used > 3)
		compressed = !text_equal(path.data + path.used - 3, ".ko");
	fd = SYSCALL(openat, AT_FDCWD, path.data, O_RDONLY | O_CLOEXEC, 0, 0, 0);
	result = fd < 0 ? fd : SYSCALL(finit_module, fd, "", compressed ? MODULE_INIT_COMPRESSED_FILE : 0, 0, 0, 0);
	if (fd >= 0)
		close_file(fd);
	if (result == 0 || result == -EEXIST) {
		counts.loaded++;
		return;
	}
	text_add(&line, "truth module ");
	text_add(&line, path.data);
	text_add(&line, " ");
	if (fd < 0) { /* not the kernel's ENOENT, which is for a symbol that nothing exports */
		counts.missing++;
		text_add(&line, "no-file");
	} else {
		counts.refused++;
		text_add_errno(&line, -result);
	}
	say(line.data);
}

static void load(int index)
{
	const char *at;

	if (index >= module_count || loaded[index])
		return;
	for (at = module_lines[index]; *at && *at != ' ' && *at != '\n'; at++)
		;
	while (*at == ' ' || *at == ',') {
		int other;

		at++;
		if (*at < '0' || *at > '9')
			break;
		other = number_at(&at);
		if (other < module_count && !loaded[other])
			load_one(other);
	}
	load_one(index);
}

void load_for(const char *modalias)
{
	for (const char *at = aliases; *at;) {
		int index = number_at(&at);
		const char *end;

		at++;
		for (end = at; *end && *end != '\n'; end++)
			;
		if (*at == *modalias && matches(at, end, modalias))
			load(index);
		at = *end ? end + 1 : end;
	}
}

/* A module by its name, `-` and `_` being the same; else by alias, as request_module() may ask for either. */
void load_named(const char *name)
{
	for (int index = 0; index < module_count; index++) {
		const char *at = module_lines[index], *want = name;

		for (const char *c = at; *c && *c != ' ' && *c != '\n'; c++)
			if (*c == '/')
				at = c + 1;
		while (*want && (*at == *want || (*at == '-' && *want == '_') || (*at == '_' && *want == '-')))
			at++, want++;
		if (!*want && *at == '.') {
			load(index);
			return;
		}
	}
	load_for(name);
}

int load_tables(void)
{
	modules = read_whole("/bootwright/truth.modules");
	aliases = read_whole("/bootwright/truth.aliases");
	for (char *at = modules; at && *at && module_count < MOST_MODULES;) {
		module_lines[module_count++] = at;
		while (*at && *at != '\n')
			at++;
		if (*at)
			at++;
	}
	alias_count = 0;
	for (const char *at = aliases; at && *at; at++)
		alias_count += *at == '\n';
	return modules && aliases;
}

struct load_counts load_counts(void)
{
	counts.modules = module_count;
	counts.aliases = alias_count;
	return counts;
}

int loaded_any(void)
{
	int any = news;

	news = 0;
	return any;
}
