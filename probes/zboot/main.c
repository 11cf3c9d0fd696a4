/* SPDX-License-Identifier: Apache-2.0
 *
 * An EFI program that holds a compressed kernel, as the kernel's own EFI zboot images do (the form of their header:
 * drivers/firmware/efi/libstub/zboot-header.S, Linux 6.18): unpacks it and starts it as firmware would, which it
 * can be since an arm64 Image is an EFI program itself. Everything is addressed relative to the code: firmware loads
 * it anywhere. UEFI specification 2.10, sections 4.3, 4.4, 7.2, 7.4 and 9.1.
 */
#include "zstd.h"

typedef unsigned int u32;
typedef unsigned long u64;
typedef unsigned short u16;

enum { FAILED = 1, LOADER_DATA = 2, PAGE = 4096, AT_OFFSET = 8, AT_SIZE = 12 };
#define LOAD_ERROR (1UL << 63 | FAILED)

struct guid { u32 first; u16 second, third; unsigned char rest[8]; };

struct output {
	void *reset;
	u64 (*string)(struct output *, const u16 *);
};

struct loaded_image {
	u64 revision;
	void *parent, *system_table, *device, *path, *reserved;
	u32 options_size;
	void *options, *base;
	u64 size;
};

struct boot_services {
	unsigned char header[24];
	void *priorities[2];
	u64 (*allocate_pages)(int how, int type, u64 count, u64 *address);
	void *until_handle_protocol[13];
	u64 (*handle_protocol)(void *handle, const struct guid *, void **interface);
	void *until_load_image[5];
	u64 (*load_image)(int policy, void *parent, void *path, void *buffer, u64 size, void **image);
	u64 (*start_image)(void *image, u64 *size, u16 **data);
};

struct system_table {
	unsigned char header[24];
	void *vendor;
	u64 revision;
	void *input[2], *output_handle;
	struct output *output;
	void *error_handle, *error, *runtime;
	struct boot_services *boot;
};

static u64 fails(struct system_table *table, const u16 *text)
{
	table->output->string(table->output, text);
	return LOAD_ERROR;
}

static u32 number_at(const unsigned char *data)
{
	return data[0] | data[1] << 8 | data[2] << 16 | (u32)data[3] << 24;
}

u64 _start(void *handle, struct system_table *table)
{
	static const struct guid loaded = {
		0x5B1B31A1, 0x9562, 0x11D2, { 0x8E, 0x3F, 0x00, 0xA0, 0xC9, 0x69, 0x72, 0x3B },
	};
	struct boot_services *boot = table->boot;
	struct loaded_image *own, *kernel;
	unsigned char *base;
	void *image, *interface;
	u64 to, scratch, size, packed;

	if (boot->handle_protocol(handle, &loaded, &interface))
		return fails(table, u"zboot: it is not known where this program was loaded\r\n");
	own = interface;
	base = own->base;
	packed = number_at(base + AT_SIZE);
	/* Behind the compressed kernel stands how long it is without compression. */
	size = number_at(base + number_at(base + AT_OFFSET) + packed);
	if (boot->allocate_pages(0, LOADER_DATA, (size + PAGE - 1) / PAGE, &to) ||
	    boot->allocate_pages(0, LOADER_DATA, ZSTD_SCRATCH / PAGE, &scratch))
		return fails(table, u"zboot: no memory to unpack the kernel\r\n");
	if (zstd_decompress(base + number_at(base + AT_OFFSET), packed, (unsigned char *)to, size,
			    (void *)scratch) != (long)size)
		return fails(table, u"zboot: the compressed kernel is damaged\r\n");
	if (boot->load_image(0, handle, 0, (void *)to, size, &image) ||
	    boot->handle_protocol(image, &loaded, &interface))
		return fails(table, u"zboot: firmware does not load the kernel\r\n");
	kernel = interface;
	kernel->device = own->device;
	kernel->options = own->options;
	kernel->options_size = own->options_size;
	return boot->start_image(image, 0, 0);
}
