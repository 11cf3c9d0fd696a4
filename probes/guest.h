/* SPDX-License-Identifier: Apache-2.0
 *
 * What every probe may use: system calls, text, files, and the way results are stated.
 * The guest has no libc; numbers and structures are those of the arm64 ABI
 * (include/uapi/asm-generic/unistd.h and the headers named beside each, Linux 6.12).
 */
#ifndef BOOTWRIGHT_GUEST_H
#define BOOTWRIGHT_GUEST_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef unsigned long size_t;

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define NULL ((void *)0)

/* asm-generic/unistd.h */
enum {
	NR_dup3 = 24, NR_ioctl = 29, NR_mknodat = 33, NR_mkdirat = 34, NR_unlinkat = 35, NR_umount2 = 39, NR_mount = 40,
	NR_statfs = 43, NR_fchdir = 50, NR_chroot = 51, NR_openat = 56, NR_close = 57, NR_getdents64 = 61, NR_lseek = 62, NR_read = 63, NR_write = 64,
	NR_pread64 = 67, NR_ppoll = 73, NR_readlinkat = 78, NR_sync = 81, NR_exit_group = 94,
	NR_nanosleep = 101, NR_clock_gettime = 113, NR_kill = 129, NR_reboot = 142, NR_uname = 160,
	NR_socket = 198, NR_bind = 200, NR_sendto = 206, NR_recvfrom = 207, NR_setsockopt = 208,
	NR_clone = 220, NR_execve = 221, NR_mmap = 222, NR_swapon = 224, NR_swapoff = 225, NR_madvise = 233, NR_wait4 = 260,
	NR_finit_module = 273, NR_open_tree = 428, NR_move_mount = 429, NR_fsopen = 430,
	NR_fsconfig = 431, NR_fsmount = 432, NR_pidfd_open = 434, NR_close_range = 436,
	NR_mount_setattr = 442,
};

enum { /* asm-generic/errno-base.h and errno.h */
	ENOENT = 2, EAGAIN = 11, EEXIST = 17, ENODEV = 19, EINVAL = 22, EROFS = 30, ENOSYS = 38,
	ENODATA = 61, ETIMEDOUT = 110,
};

enum { /* asm-generic/fcntl.h; arm64 has its own O_DIRECTORY */
	AT_FDCWD = -100, AT_EMPTY_PATH = 0x1000, AT_RECURSIVE = 0x8000,
	O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0100, O_TRUNC = 01000, O_NONBLOCK = 04000,
	O_DIRECTORY = 040000, O_CLOEXEC = 02000000,
};

/* start.c */
struct auxiliary { u64 type, value; };
u64 auxiliary_value(u64 type); /* AT_*: linux/auxvec.h; 0 when absent */
enum { AT_PAGESZ = 6 };
/* A process that runs `run(argument)` in this memory, on the stack that ends at `stack`, and exits with 0. */
long start_process(void (*run)(void *), void *argument, void *stack);
long syscall6(long number, long a, long b, long c, long d, long e, long f);
#define SYSCALL(number, a, b, c, d, e, f) \
	syscall6(NR_##number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* text.c: every function bounds what it writes and ends it with NUL */
struct text { char *data; int size, used; };
#define TEXT(name, length) char name##_room[length]; struct text name = { name##_room, length, 0 }
void text_add(struct text *to, const char *from);
void text_add_number(struct text *to, long number);
void text_add_errno(struct text *to, long error); /* `EINVAL`, or the number where it has no name here */
int text_length(const char *text);
int text_equal(const char *a, const char *b);
const char *text_find(const char *in, const char *what);
void *memset(void *to, int value, size_t size);
void *memcpy(void *to, const void *from, size_t size);
int memcmp(const void *a, const void *b, size_t size);

/* system.c: what returns a number returns -errno on failure */
long make_directory(const char *path); /* an existing one is no error */
long make_file(const char *path, const char *content);
long read_file(const char *path, char *to, int size); /* ends with NUL; the number of bytes */
long write_file(const char *path, const char *content);
long close_file(long fd);
void sleep_ms(long ms);
long now_ms(void);
long load_modules(const char *list); /* each path in the file `list`, in order */
void say_modules(void); /* where the code of each loaded module is, as facts */
void kernel_log_mark(void); /* forget the kernel's messages up to now */
long last_complaint(char *to, int size); /* the kernel's newest warning or worse since then */

/* ktap.c */
enum state { OPEN, OK, NOT_OK, SKIPPED };
struct outcome { /* written by the test's process, read by its parent */
	int state;
	long error;        /* errno, positive; 0 when there is none */
	char call[32];     /* what failed, or what was refused as it must be */
	char note[200];    /* a diagnostic line */
	char kernel[240];  /* the kernel's own words */
};
struct test {
	const char *name;
	void (*run)(struct outcome *outcome, const char *argument);
	const char *argument;
};
struct group {
	const char *name;
	/* The tests: filled in by `prepare` where they depend on what is there, constant otherwise. */
	int (*prepare)(struct test *tests, int room);
	void (*clean)(void); /* after each test, in the parent: nothing may be left for the next one */
	int seconds;         /* a test that takes longer is ended and reported as ETIMEDOUT */
	int own_roots;       /* a test needs nothing of the tree but /proc: one that was not cleaned up is in no
			      * other's way where each has a root of its own (here.c) */
};
/* A probe is one C file that holds one of these; the linker collects them. */
#define PROBE __attribute__((used, section("bootwright_probes"), aligned(8))) static const struct group

void keep_answers(void); /* from here on lines stay in memory, until they are handed over */
void hand_over_answers(void); /* does not return where they were kept */
__attribute__((noreturn)) void answers_ready(const char *text, long length);
void say(const char *line); /* one line to the console, marked as ours */
void say_fact(const char *name, const char *value);
int run_group(const struct group *group, int number); /* the number of tests that were not ok */
/* True when `result` is an error, which is then the outcome. */
int failed(struct outcome *outcome, const char *call, long result);
void passed(struct outcome *outcome);
void skipped(struct outcome *outcome, const char *why);
/* The call must be refused with `error`; anything else is the failure. */
void refused(struct outcome *outcome, const char *call, long result, long error);
void wrong(struct outcome *outcome, const char *call, const char *note);

/* here.c */
enum { SPARE_STACKS = 8 << 20 };
extern char spare_stacks[SPARE_STACKS]; /* ktap.c */
/* The test in this process; `own_root`: in a root of its own, and nothing is cleaned up. */
void run_here(const struct test *test, struct outcome *outcome, int own_root);
long present_root(void); /* a descriptor of it, which `return_to_root` closes */
void return_to_root(long root);
void warm_up(void); /* what the first use of memory and descriptors takes is done then */

/* main.c */
void set_mark(const char *mark);
int option(const char *name, char *to, int size); /* `bootwright.NAME=` of the kernel's command line */

#endif
