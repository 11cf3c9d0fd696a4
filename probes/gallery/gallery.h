/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the gallery's guest share. It has no libc: see guest.h.
 */
#ifndef BOOTWRIGHT_GALLERY_H
#define BOOTWRIGHT_GALLERY_H

#include "../guest.h"
#include "words.h"

/* asm-generic/fcntl.h, asm-generic/signal.h, linux/loop.h, linux/fs.h: _IOWR('X', 119, int), asm-generic/ioctls.h:
 * TCSBRK with 1 waits until all is sent. */
enum {
	O_SYNC = 04010000, SIGCHLD = 17, LOOP_SET_FD = 0x4c00, FIFREEZE = (int)0xc0045877, TCSBRK = 0x5409,
};

/* BEFORE WHAT MIDDLE and the error's words, as a line. `error` may be negative, as system calls return it. */
void report(const char *before, const char *what, const char *middle, long error);

/* parse.c */
/* The text up to `end` or its end, which becomes NUL; `*next` is then what follows. Runs of `end` are one. */
char *next_word(char **next, char end);
/* Decimal, or hexadecimal after `0x`; 0 for a missing word. */
u64 number_in(const char *text);

/* dhcp.c: up to `tries` times two seconds, in BusyBox udhcpc's words. */
void ask_dhcp(const char *name, int tries);

#endif
