/* SPDX-License-Identifier: Apache-2.0
 *
 * Text of bounded length, and the memory functions that compilers call by themselves.
 */
#include "guest.h"

void *memset(void *to, int value, size_t size)
{
	for (u8 *byte = to; size--;)
		*byte++ = (u8)value;
	return to;
}

void *memcpy(void *to, const void *from, size_t size)
{
	const u8 *source = from;

	for (u8 *byte = to; size--;)
		*byte++ = *source++;
	return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const u8 *left = a, *right = b;

	for (; size--; left++, right++)
		if (*left != *right)
			return *left < *right ? -1 : 1;
	return 0;
}

int text_length(const char *text)
{
	int length = 0;

	while (text[length])
		length++;
	return length;
}

int text_equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

const char *text_find(const char *in, const char *what)
{
	int length = text_length(what);

	for (; *in; in++) {
		int same = 0;

		while (same < length && in[same] == what[same])
			same++;
		if (same == length)
			return in;
	}
	return NULL;
}

void text_add(struct text *to, const char *from)
{
	while (*from && to->used < to->size - 1)
		to->data[to->used++] = *from++;
	to->data[to->used] = 0;
}

void text_add_number(struct text *to, long number)
{
	char digits[24];
	int at = sizeof(digits) - 1;
	u64 left = number < 0 ? 0 - (u64)number : (u64)number;

	digits[at] = 0;
	do {
		digits[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (number < 0)
		digits[--at] = '-';
	text_add(to, digits + at);
}

/* asm-generic/errno-base.h and errno.h, 1 to 133 */
static const char *const error_names[] = {
	[1] = "EPERM", "ENOENT", "ESRCH", "EINTR", "EIO", "ENXIO", "E2BIG", "ENOEXEC", "EBADF", "ECHILD",
	"EAGAIN", "ENOMEM", "EACCES", "EFAULT", "ENOTBLK", "EBUSY", "EEXIST", "EXDEV", "ENODEV", "ENOTDIR",
	"EISDIR", "EINVAL", "ENFILE", "EMFILE", "ENOTTY", "ETXTBSY", "EFBIG", "ENOSPC", "ESPIPE", "EROFS",
	"EMLINK", "EPIPE", "EDOM", "ERANGE", "EDEADLK", "ENAMETOOLONG", "ENOLCK", "ENOSYS", "ENOTEMPTY", "ELOOP",
	[42] = "ENOMSG", "EIDRM",
	[61] = "ENODATA", "ETIME",
	[71] = "EPROTO", [74] = "EBADMSG", "EOVERFLOW",
	[84] = "EILSEQ", [87] = "EUSERS", "ENOTSOCK", "EDESTADDRREQ", "EMSGSIZE", "EPROTOTYPE", "ENOPROTOOPT",
	"EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EOPNOTSUPP", "EPFNOSUPPORT", "EAFNOSUPPORT", "EADDRINUSE",
	"EADDRNOTAVAIL", "ENETDOWN", "ENETUNREACH", "ENETRESET", "ECONNABORTED", "ECONNRESET", "ENOBUFS",
	"EISCONN", "ENOTCONN", "ESHUTDOWN", "ETOOMANYREFS", "ETIMEDOUT", "ECONNREFUSED", "EHOSTDOWN",
	"EHOSTUNREACH", "EALREADY", "EINPROGRESS", "ESTALE", "EUCLEAN",
	[122] = "EDQUOT", [126] = "ENOKEY", "EKEYEXPIRED", "EKEYREVOKED", "EKEYREJECTED",
};

void text_add_errno(struct text *to, long error)
{
	if (error > 0 && error < COUNT(error_names) && error_names[error])
		text_add(to, error_names[error]);
	else
		text_add_number(to, error);
}
