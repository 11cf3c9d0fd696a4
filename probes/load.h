/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BOOTWRIGHT_LOAD_H
#define BOOTWRIGHT_LOAD_H

int load_tables(void);                /* false when they are not there */
void load_for(const char *modalias);  /* every module one of whose aliases fits, with what it needs */
void load_named(const char *name);    /* a module by name, or by alias */
int loaded_any(void);                 /* true when something was loaded since the last call */

#endif
