"""Kernels to boot: list, fetch, look at, add your own.

\b
Names are SOURCE-VERSION-PAGES, such as debian-6.12.107-4k. A shorter version means the newest that
fits: debian-6.18-16k. Cloud and rt flavours have that behind: debian-6.1-4k-cloud.

\b
Examples:
  bootwright kernels list
  bootwright kernels fetch debian-6.12.107-4k debian-6.18-16k
  bootwright kernels show debian-6.18-16k
  bootwright kernels add arch/arm64/boot/Image --name mine
"""
