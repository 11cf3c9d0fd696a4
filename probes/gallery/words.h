/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BOOTWRIGHT_WORDS_H
#define BOOTWRIGHT_WORDS_H

#include "../guest.h"

/* What strerror(3) of glibc says about an errno (positive): diagnosis reads logs in these words. */
void text_add_words(struct text *to, long error);

#endif
