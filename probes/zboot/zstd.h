/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BOOTWRIGHT_ZSTD_H
#define BOOTWRIGHT_ZSTD_H

/* Decompress one Zstandard frame without a dictionary into `output`; returns its length, or -1 where the frame is
 * damaged or the output does not hold it. `scratch` is memory for the tables. */
enum { ZSTD_SCRATCH = 1 << 18 };
long zstd_decompress(const unsigned char *input, unsigned long size, unsigned char *output, unsigned long room,
		     void *scratch);

#endif
