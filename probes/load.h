/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BOOTWRIGHT_LOAD_H
#define BOOTWRIGHT_LOAD_H

int load_tables(void);                /* false when they are not there */
void load_for(const char *modalias);  /* every module one of whose aliases fits, with what it needs */
void load_named(const char *name);    /* a module by name, or by alias */
int loaded_any(void);                 /* true when something was loaded since the last call */

struct load_counts {
	int modules, aliases;         /* lines of the two tables */
	int loaded, refused, missing; /* by this process: in the kernel; refused by it; no such file */
};
struct load_counts load_counts(void);

#endif
