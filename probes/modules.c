/* SPDX-License-Identifier: Apache-2.0
 *
 * What the probes say of the modules that are loaded.
 */
#include "guest.h"

void say_modules(void)
{
	static char loaded[16384];

	read_file("/proc/modules", loaded, sizeof(loaded));
	for (char *line = loaded; *line;) {
		char *end = line, address[40];
		TEXT(path, 120);
		TEXT(fact, 120);

		while (*end && *end != ' ')
			end++;
		if (*end)
			*end++ = 0;
		text_add(&path, "/sys/module/");
		text_add(&path, line);
		text_add(&path, "/sections/.text");
		if (read_file(path.data, address, sizeof(address)) > 0) {
			text_add(&fact, line);
			text_add(&fact, " ");
			text_add(&fact, address);
			say_fact("module", fact.data);
		}
		for (line = end; *line && *line != '\n'; line++)
			;
		if (*line)
			line++;
	}
}
