/* SPDX-License-Identifier: Apache-2.0
 *
 * The stand-in for Talos Linux that test images boot: not Talos, and it says so on the console.
 * It prints a milestone of Talos only once it has really done the step that the milestone names.
 */
#ifndef BOOTWRIGHT_STANDIN_H
#define BOOTWRIGHT_STANDIN_H

#include "../guest.h"

/* asm-generic/unistd.h, Linux 6.12, beside those of guest.h */
enum { NR_chdir = 49, NR_listen = 201 };

/* main.c */
void talos(const char *text);  /* `[talos] text` into the kernel's log, where Talos writes too */
void own(const char *text);    /* a line of the stand-in's own */
void add_error(struct text *to, long error); /* in the words of Go's syscall.Errno, as Talos prints them */
__attribute__((noreturn)) void give_up(const char *step, long error);

/* pseudo.c: /dev, /proc and /sys; then all others, in the root file system. Gives up where one is missing. */
void mount_first(void);
void mount_late(void);
int asked_to_wipe(void); /* the arguments of Talos's profile "reset" */

/* root.c: in the initramfs, until /sbin/init of the root file system runs */
__attribute__((noreturn)) void enter_root(void);

/* shadow.c: the files under /etc as Talos >= 1.12 puts them there; the number that failed */
struct shadow { const char *name, *target, *mode, *content; long error; const char *call; };
int shadow_mounts(void);
void report_shadow_mounts(void); /* the failed ones, in the words of Talos's controller */

/* lease.c: an address by DHCP for the first interface with a carrier; 1 once there is one */
int have_address(void);
void add_address(struct text *to); /* `10.0.2.15` */

#endif
