/* Documentation/arch/arm64/booting.rst: the header of an Image. */
	.text
	.globl _head
_head:
	b	start_here
	.long	0
	.quad	0
	.quad	0x10000
#if defined(CONFIG_ARM64_64K_PAGES)
	.quad	0xe
#elif defined(CONFIG_ARM64_16K_PAGES)
	.quad	0xc
#else
	.quad	0xa
#endif
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0
start_here:
	wfi
	b	start_here
