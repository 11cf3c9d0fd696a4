/* SPDX-License-Identifier: Apache-2.0
 *
 * A decoder of Zstandard (RFC 8878; the numbers of sections are those of the RFC). The output is one piece of memory,
 * so that a match is a copy inside it and no window is kept. The checksum at a frame's end is not looked at.
 */
#include "zstd.h"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

enum {
	FSE_LOG = 9, HUFFMAN_LOG = 11, LITERALS = 1 << 17, BLOCK = 1 << 17,
	LENGTH_CODES = 36, OFFSET_CODES = 32, MATCH_CODES = 53, WEIGHTS = 256,
};

struct cell { u16 base; u8 symbol, bits; };
struct fse { int log; struct cell cells[1 << FSE_LOG]; };
struct leaf { u8 symbol, bits; };

struct decoder {
	struct fse lengths, offsets, matches, weights;
	int has_tables, huffman_log; /* 0: no tree yet */
	struct leaf tree[1 << HUFFMAN_LOG];
	u64 repeats[3];
	u8 literals[LITERALS + 16];
};

/* Bits from the end of a stream to its beginning; the last byte's highest 1 marks where they start (4.1). */
struct back { const u8 *data; long at; };

static u64 little(const u8 *data, int bytes)
{
	u64 value = 0;

	while (bytes--)
		value = value << 8 | data[bytes];
	return value;
}

static int highest(u32 value)
{
	int bit = -1;

	for (; value; value >>= 1)
		bit++;
	return bit;
}

static int back_start(struct back *from, const u8 *data, u64 size)
{
	if (!size || !data[size - 1])
		return -1;
	from->data = data;
	from->at = (long)(size - 1) * 8 + highest(data[size - 1]);
	return 0;
}

/* Bits before the beginning are 0; `at` is negative then, which is an error where it must be exact. */
static u64 back_bits(struct back *from, int count)
{
	u64 value = 0;
	long at;

	from->at -= count;
	at = from->at;
	if (at >= 0 && count <= 56) { /* bytes up to the one with the last bit are in the stream */
		int shift = at & 7, bytes = (shift + count + 7) >> 3;

		return little(from->data + (at >> 3), bytes) >> shift & ((1UL << count) - 1);
	}
	for (int bit = 0; bit < count; bit++)
		if (at + bit >= 0)
			value |= (u64)(from->data[(at + bit) >> 3] >> ((at + bit) & 7) & 1) << bit;
	return value;
}

/* 4.1.1: how the probabilities of `symbols` symbols are spread over the cells of a table. */
static int fse_spread(struct fse *table, const short *weights, int symbols, int log)
{
	int size = 1 << log, high = size, at = 0, step = (size >> 1) + (size >> 3) + 3;
	u16 next[256];

	table->log = log;
	for (int symbol = 0; symbol < symbols; symbol++)
		if (weights[symbol] == -1) {
			table->cells[--high].symbol = symbol;
			next[symbol] = 1;
		}
	for (int symbol = 0; symbol < symbols; symbol++) {
		if (weights[symbol] <= 0)
			continue;
		next[symbol] = weights[symbol];
		for (int count = 0; count < weights[symbol]; count++) {
			table->cells[at].symbol = symbol;
			do
				at = (at + step) & (size - 1);
			while (at >= high);
		}
	}
	if (at)
		return -1;
	for (int cell = 0; cell < size; cell++) {
		u16 number = next[table->cells[cell].symbol]++;

		table->cells[cell].bits = log - highest(number);
		table->cells[cell].base = (u16)((number << table->cells[cell].bits) - size);
	}
	return 0;
}

/* 4.1.1: reads the probabilities; returns the bytes that they take, or -1. */
static long fse_read(struct fse *table, const u8 *data, u64 size, int symbols, int most_log)
{
	short weights[256];
	u64 at = 4;
	int log, left, symbol = 0;

	if (!size)
		return -1;
	log = (data[0] & 15) + 5;
	if (log > most_log)
		return -1;
	left = (1 << log) + 1;
	while (left > 1 && symbol < symbols) {
		int bits = highest(left) + 1, low, value;
		u64 place = at >> 3, rest = size - place;
		u32 word;

		if (place >= size)
			return -1;
		word = little(data + place, rest < 4 ? (int)rest : 4) >> (at & 7);
		value = word & ((1 << bits) - 1);
		low = (1 << bits) - 1 - left;
		if ((value & ((1 << (bits - 1)) - 1)) < low) {
			value &= (1 << (bits - 1)) - 1;
			at += bits - 1;
		} else {
			if (value >= 1 << (bits - 1))
				value -= low;
			at += bits;
		}
		weights[symbol++] = --value;
		left -= value < 0 ? -value : value;
		if (value)
			continue;
		for (int repeat = 3; repeat == 3;) { /* two bits: how many more have none */
			place = at >> 3;
			if (place >= size)
				return -1;
			word = little(data + place, size - place < 2 ? 1 : 2) >> (at & 7);
			repeat = word & 3;
			at += 2;
			if (symbol + repeat > symbols)
				return -1;
			for (int count = 0; count < repeat; count++)
				weights[symbol++] = 0;
		}
	}
	if (left != 1 || (at + 7) >> 3 > size || fse_spread(table, weights, symbol, log))
		return -1;
	return (long)((at + 7) >> 3);
}

/* 4.2.1: a Huffman tree by its weights; returns the bytes that the description takes, or -1. */
static long huffman_read(struct decoder *d, const u8 *data, u64 size)
{
	u8 weights[WEIGHTS];
	u64 total = 0, used;
	int count = 0, log, at = 0;

	if (!size)
		return -1;
	if (data[0] >= 128) {
		int stored = data[0] - 127;

		used = 1 + (stored + 1) / 2;
		if (used > size)
			return -1;
		for (; count < stored; count++)
			weights[count] = count & 1 ? data[1 + count / 2] & 15 : data[1 + count / 2] >> 4;
	} else {
		struct back from;
		struct cell *even, *odd;
		long head;

		used = 1 + data[0];
		if (used > size)
			return -1;
		head = fse_read(&d->weights, data + 1, data[0], 13, 6);
		if (head < 0 || back_start(&from, data + 1 + head, data[0] - head))
			return -1;
		even = &d->weights.cells[back_bits(&from, d->weights.log)];
		odd = &d->weights.cells[back_bits(&from, d->weights.log)];
		if (from.at < 0)
			return -1;
		for (;;) { /* two states in turn, until the bits are used up */
			struct cell *other = odd;

			if (count > WEIGHTS - 3)
				return -1;
			weights[count++] = even->symbol;
			odd = &d->weights.cells[even->base + back_bits(&from, even->bits)];
			even = other;
			if (from.at < 0) {
				weights[count++] = even->symbol;
				break;
			}
		}
	}
	for (int symbol = 0; symbol < count; symbol++) {
		if (weights[symbol] > HUFFMAN_LOG)
			return -1;
		total += weights[symbol] ? 1UL << (weights[symbol] - 1) : 0;
	}
	if (!total || total >= 1 << HUFFMAN_LOG)
		return -1;
	log = highest(total) + 1;
	total = (1UL << log) - total; /* the last one's weight is not stored */
	if (total & (total - 1))
		return -1;
	weights[count++] = highest(total) + 1;
	for (int weight = 1; weight <= log; weight++)
		for (int symbol = 0; symbol < count; symbol++)
			if (weights[symbol] == weight)
				for (int cells = 1 << (weight - 1); cells; cells--, at++) {
					d->tree[at].symbol = symbol;
					d->tree[at].bits = log + 1 - weight;
				}
	d->huffman_log = log;
	return (long)used;
}

static int huffman_stream(struct decoder *d, const u8 *data, u64 size, u8 *to, u64 count)
{
	struct back from;
	u32 mask = (1 << d->huffman_log) - 1, state;

	if (back_start(&from, data, size))
		return -1;
	state = back_bits(&from, d->huffman_log);
	while (count--) {
		struct leaf leaf = d->tree[state];

		*to++ = leaf.symbol;
		state = (state << leaf.bits & mask) | back_bits(&from, leaf.bits);
	}
	return from.at == -d->huffman_log ? 0 : -1;
}

/* 3.1.1.3.1: fills d->literals; returns the bytes that the section takes, or -1. */
static long literals_read(struct decoder *d, const u8 *data, u64 size, u64 *count)
{
	int kind, format, streams, bits, head;
	u64 stored, used, part, sizes[4];

	if (!size)
		return -1;
	kind = data[0] & 3;
	format = data[0] >> 2 & 3;
	if (kind < 2) { /* raw, or one byte over and over */
		head = format == 1 ? 2 : format == 3 ? 3 : 1;
		if ((u64)head > size)
			return -1;
		*count = little(data, head) >> (head == 1 ? 3 : 4);
		used = head + (kind ? 1 : *count);
		if (*count > LITERALS || used > size)
			return -1;
		for (u64 at = 0; at < *count; at++)
			d->literals[at] = data[head + (kind ? 0 : at)];
		return (long)used;
	}
	head = format < 2 ? 3 : format + 2;
	bits = format < 2 ? 10 : format == 2 ? 14 : 18;
	if ((u64)head > size)
		return -1;
	*count = little(data, head) >> 4 & ((1 << bits) - 1);
	stored = little(data, head) >> (4 + bits) & ((1 << bits) - 1);
	streams = format ? 4 : 1;
	if (*count > LITERALS || head + stored > size)
		return -1;
	data += head;
	size = stored;
	if (kind == 2) {
		long tree = huffman_read(d, data, size);

		if (tree < 0)
			return -1;
		data += tree;
		size -= tree;
	} else if (!d->huffman_log) {
		return -1;
	}
	if (streams == 1)
		return huffman_stream(d, data, size, d->literals, *count) ? -1 : (long)(head + stored);
	if (size < 6)
		return -1;
	for (int stream = 0; stream < 3; stream++)
		sizes[stream] = little(data + 2 * stream, 2);
	if (sizes[0] + sizes[1] + sizes[2] + 6 > size)
		return -1;
	sizes[3] = size - 6 - sizes[0] - sizes[1] - sizes[2];
	data += 6;
	part = (*count + 3) / 4;
	if (3 * part > *count)
		return -1;
	for (int stream = 0; stream < 4; stream++) {
		u64 length = stream < 3 ? part : *count - 3 * part;

		if (huffman_stream(d, data, sizes[stream], d->literals + stream * part, length))
			return -1;
		data += sizes[stream];
	}
	return (long)(head + stored);
}

/* 3.1.1.3.2.1.1 and the default distributions of 3.1.1.3.2.2 */
static const u8 length_bits[LENGTH_CODES] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
};
static const u8 match_bits[MATCH_CODES] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
};
static const short length_default[LENGTH_CODES] = {
	4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1,
};
static const short offset_default[29] = {
	1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1,
};
static const short match_default[MATCH_CODES] = {
	1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
};

/* What the codes begin at: each where the one before it ends. */
static u32 base_of(const u8 *bits, int code, int first)
{
	u32 base = first;

	for (int before = 0; before < code; before++)
		base += 1U << bits[before];
	return base;
}

/* One table of a sequences section, by its mode: default, one symbol, described, the one before. */
static long table_read(struct decoder *d, struct fse *table, int mode, const u8 *data, u64 size,
		       const short *weights, int defaults, int default_log, int symbols, int most_log)
{
	if (mode == 0)
		return fse_spread(table, weights, defaults, default_log) ? -1 : 0;
	if (mode == 1) {
		if (!size || data[0] >= symbols)
			return -1;
		table->log = 0;
		table->cells[0].base = 0;
		table->cells[0].bits = 0;
		table->cells[0].symbol = data[0];
		return 1;
	}
	if (mode == 2)
		return fse_read(table, data, size, symbols, most_log);
	return d->has_tables ? 0 : -1;
}

static int tables_read(struct decoder *d, const u8 **data, u64 *size)
{
	int modes;

	if (!*size || (*data)[0] & 3)
		return -1;
	modes = (*data)[0];
	(*data)++;
	(*size)--;
	for (int kind = 0; kind < 3; kind++) {
		int mode = modes >> (6 - 2 * kind) & 3;
		long used;

		if (kind == 0)
			used = table_read(d, &d->lengths, mode, *data, *size, length_default, LENGTH_CODES, 6,
					  LENGTH_CODES, 9);
		else if (kind == 1)
			used = table_read(d, &d->offsets, mode, *data, *size, offset_default, 29, 5, OFFSET_CODES, 8);
		else
			used = table_read(d, &d->matches, mode, *data, *size, match_default, MATCH_CODES, 6,
					  MATCH_CODES, 9);
		if (used < 0)
			return -1;
		*data += used;
		*size -= used;
	}
	d->has_tables = 1;
	return 0;
}

/* 3.1.1.5: the first three values mean one of the last three offsets. */
static u64 offset_of(struct decoder *d, u64 value, u64 length)
{
	u64 offset;

	if (value > 3) {
		offset = value - 3;
		d->repeats[2] = d->repeats[1];
		d->repeats[1] = d->repeats[0];
	} else {
		u64 which = value - 1 + (length == 0);

		offset = which == 3 ? d->repeats[0] - 1 : d->repeats[which];
		if (which == 0)
			return offset;
		if (which != 1)
			d->repeats[2] = d->repeats[1];
		d->repeats[1] = d->repeats[0];
	}
	d->repeats[0] = offset;
	return offset;
}

/* 3.1.1.3: returns what the block makes, or -1. `before` is how much output there is already. */
static long block_read(struct decoder *d, const u8 *data, u64 size, u8 *to, u64 before, u64 room)
{
	u64 literals = 0, taken = 0, made = 0, count;
	long used = literals_read(d, data, size, &literals);

	if (used < 0)
		return -1;
	data += used;
	size -= used;
	if (!size)
		return -1;
	count = data[0];
	used = 1;
	if (count >= 128) {
		used = count == 255 ? 3 : 2;
		if ((u64)used > size)
			return -1;
		count = count == 255 ? little(data + 1, 2) + 0x7F00 : ((count - 128) << 8) + data[1];
	}
	data += used;
	size -= used;
	if (count) {
		struct back from;
		struct cell *length, *offset, *match;

		if (tables_read(d, &data, &size) || back_start(&from, data, size))
			return -1;
		length = &d->lengths.cells[back_bits(&from, d->lengths.log)];
		offset = &d->offsets.cells[back_bits(&from, d->offsets.log)];
		match = &d->matches.cells[back_bits(&from, d->matches.log)];
		while (count--) {
			u64 distance, run, copy;

			if (from.at < 0 || offset->symbol >= OFFSET_CODES)
				return -1;
			distance = (1UL << offset->symbol) + back_bits(&from, offset->symbol);
			copy = base_of(match_bits, match->symbol, 3) + back_bits(&from, match_bits[match->symbol]);
			run = base_of(length_bits, length->symbol, 0) + back_bits(&from, length_bits[length->symbol]);
			distance = offset_of(d, distance, run);
			if (from.at < 0 || run > literals - taken || run + copy > room - made || !distance ||
			    distance > before + made + run)
				return -1;
			while (run--)
				to[made++] = d->literals[taken++];
			for (u8 *here = to + made, *end = here + copy; here < end; here++)
				*here = *(here - distance);
			made += copy;
			if (!count)
				break;
			length = &d->lengths.cells[length->base + back_bits(&from, length->bits)];
			match = &d->matches.cells[match->base + back_bits(&from, match->bits)];
			offset = &d->offsets.cells[offset->base + back_bits(&from, offset->bits)];
		}
		if (from.at)
			return -1;
	} else if (size) {
		return -1;
	}
	if (literals - taken > room - made)
		return -1;
	while (taken < literals)
		to[made++] = d->literals[taken++];
	return (long)made;
}

/* 3.1.1.1: returns the length of the frame's header, or -1. */
static long header_read(const u8 *data, u64 size)
{
	static const u8 contents[4] = { 0, 2, 4, 8 }, dictionaries[4] = { 0, 1, 2, 4 };
	int single, content;

	if (size < 6 || little(data, 4) != 0xFD2FB528 || data[4] & 8)
		return -1;
	single = data[4] >> 5 & 1;
	content = contents[data[4] >> 6];
	if (single && !content)
		content = 1;
	return 5 + !single + dictionaries[data[4] & 3] + content;
}

long zstd_decompress(const unsigned char *input, unsigned long size, unsigned char *output, unsigned long room,
		     void *scratch)
{
	struct decoder *d = scratch;
	u64 made = 0;
	long at = header_read(input, size);

	_Static_assert(sizeof(struct decoder) <= ZSTD_SCRATCH, "the tables fit");
	if (at < 0)
		return -1;
	d->has_tables = d->huffman_log = 0;
	d->repeats[0] = 1;
	d->repeats[1] = 4;
	d->repeats[2] = 8;
	for (int last = 0; !last;) {
		u64 head, length;
		int kind;
		long block;

		if (size - at < 3 || (u64)at > size)
			return -1;
		head = little(input + at, 3);
		at += 3;
		last = head & 1;
		kind = head >> 1 & 3;
		length = head >> 3;
		if (kind == 3 || length > BLOCK || (kind == 1 ? 1 : length) > size - at)
			return -1;
		if (kind == 2) {
			block = block_read(d, input + at, length, output + made, made, room - made);
			if (block < 0)
				return -1;
			at += length;
		} else {
			if (length > room - made)
				return -1;
			for (u64 byte = 0; byte < length; byte++)
				output[made + byte] = input[at + (kind ? 0 : byte)];
			block = length;
			at += kind ? 1 : length;
		}
		made += block;
	}
	return (long)made;
}
