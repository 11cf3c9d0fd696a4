/* SPDX-License-Identifier: Apache-2.0
 *
 * Words and numbers of a script.
 */
#include "gallery.h"

char *next_word(char **next, char end)
{
	char *word = *next, *at;

	while (*word == end)
		word++;
	for (at = word; *at && *at != end;)
		at++;
	if (*at)
		*at++ = 0;
	*next = at;
	return word;
}

u64 number_in(const char *text)
{
	u64 number = 0, base = 10;

	if (text && text[0] == '0' && text[1] == 'x') {
		base = 16;
		text += 2;
	}
	for (; text && *text; text++) {
		u64 digit = *text >= '0' && *text <= '9' ? (u64)(*text - '0') : (u64)((*text | 32) - 'a' + 10);

		if (digit >= base)
			break;
		number = number * base + digit;
	}
	return number;
}
