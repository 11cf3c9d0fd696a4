"""A source tree of the kernel's form, small enough to be built in a second: its Makefile, Kconfig and files.

Kconfig is evaluated by kconfiglib, which shares no code with what is tested; compiler, linker and the built
`Image` are real. What it lacks of a kernel is the kernel.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bootwright.workshop.configuring.presets import PRESETS

_MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 1
EXTRAVERSION =
NAME = Small

PYTHON := @PYTHON@
out := $(or $(O),$(CURDIR))
release := $(VERSION).$(PATCHLEVEL).$(SUBLEVEL)$(EXTRAVERSION)$(shell sed -n 's/^CONFIG_LOCALVERSION="\\(.*\\)"/\\1/p' $(out)/.config 2>/dev/null)
CC := $(CROSS_COMPILE)gcc
LD := $(CROSS_COMPILE)ld
OBJCOPY := $(CROSS_COMPILE)objcopy
NM := $(CROSS_COMPILE)nm
KBUILD_BUILD_TIMESTAMP ?= $(shell date)
KBUILD_BUILD_USER ?= $(shell id -un)
auto := $(out)/include/generated/autoconf.h
flags = $(KCFLAGS) -g -O1 -ffreestanding -fno-pic -include $(auto)
export srctree := $(CURDIR)
export SRCARCH := $(ARCH)
export KCONFIG_CONFIG := $(out)/.config

is = $(shell grep -qx 'CONFIG_$(1)=$(2)' $(out)/.config 2>/dev/null && echo $(3))
builtin := init/head.o init/version.o fs/namespace.o $(call is,MACB,y,drivers/net/macb.o)
modular := $(call is,MACB,m,drivers/net/macb.ko) $(call is,PHY,m,drivers/net/phy.ko)
dtbs := board.dtb

.PHONY: allnoconfig olddefconfig defconfig Image modules modules_install dtbs dtbs_install mrproper

allnoconfig olddefconfig:
	@mkdir -p $(out)
	@$(PYTHON) -m $@ Kconfig
defconfig:
	@mkdir -p $(out)
	@$(PYTHON) -m defconfig --kconfig Kconfig arch/arm64/configs/defconfig
mrproper:
	@rm -rf .config include/config

$(auto): $(out)/.config
	@mkdir -p $(@D)
	@sed -n -e 's/^\\(CONFIG_[A-Z0-9_]*\\)=y/#define \\1 1/p' -e 's/^\\(CONFIG_[A-Z0-9_]*\\)=\\(["0-9].*\\)/#define \\1 \\2/p' $< > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(out)/%.o: %.c $(auto)
	@mkdir -p $(@D)
	@echo "  CC      $*.o"
	@$(CC) $(flags) -DUTS_RELEASE='"$(release)"' -DBUILT='"$(KBUILD_BUILD_USER) $(KBUILD_BUILD_TIMESTAMP)"' -c -o $@ $<
	@if test -n "$$SMALL_KERNEL_STOP_AT" && test "$$SMALL_KERNEL_STOP_AT" = "$*"; then touch "$$SMALL_KERNEL_STOPPED"; sleep 120; fi
$(out)/%.o: %.S $(auto)
	@mkdir -p $(@D)
	@echo "  AS      $*.o"
	@$(CC) $(KAFLAGS) -include $(auto) -c -o $@ $<

$(out)/vmlinux: $(addprefix $(out)/,$(builtin))
	@echo "  LD      vmlinux"
	@$(LD) -Ttext=0x80000000 -e 0x80000000 --build-id=none -o $@ $^
	@$(NM) -n $@ > $(out)/System.map
$(out)/arch/arm64/boot/Image: $(out)/vmlinux
	@mkdir -p $(@D)
	@echo "  OBJCOPY arch/arm64/boot/Image"
	@$(OBJCOPY) -O binary -R .note -R .comment -S $< $@
Image: $(out)/arch/arm64/boot/Image
	@: > $(out)/modules.builtin

$(out)/%.ko: $(out)/%.o
	@echo "  LD [M]  $*.ko"
	@$(LD) -r -o $@ $<
modules: $(addprefix $(out)/,$(modular))
modules_install:
	@for module in $(modular); do install -D -m 644 $(out)/$$module $(INSTALL_MOD_PATH)/lib/modules/$(release)/kernel/$$module; done
	@printf 'kernel/%s\\n' $(modular) > $(INSTALL_MOD_PATH)/lib/modules/$(release)/modules.order
	@cp $(out)/modules.builtin $(INSTALL_MOD_PATH)/lib/modules/$(release)/

dtbs:
	@mkdir -p $(out)/arch/arm64/boot/dts
	@dtc -q -O dtb -o $(out)/arch/arm64/boot/dts/board.dtb arch/arm64/boot/dts/board.dts
dtbs_install:
	@install -D -m 644 $(out)/arch/arm64/boot/dts/board.dtb $(INSTALL_DTBS_PATH)/small/board.dtb
"""

_HEAD = """\
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
	.ascii	"ARM\\x64"
	.long	0
start_here:
	wfi
	b	start_here
"""

FILES = {
    "Makefile": _MAKEFILE,
    "Kconfig": """\
mainmenu "Small"

source "scripts/Kconfig.include"
source "init/Kconfig"
source "arch/$(SRCARCH)/Kconfig"
source "drivers/Kconfig"
""",
    "scripts/Kconfig.include": "success = $(shell,if $(1) >/dev/null 2>&1; then echo y; else echo n; fi)\n",
    "arch/arm64/Kconfig": """\
config ARM64
	def_bool y

config 64BIT
	def_bool y

choice
	prompt "Page size"
	default ARM64_4K_PAGES

config ARM64_4K_PAGES
	bool "4KB"

config ARM64_16K_PAGES
	bool "16KB"

config ARM64_64K_PAGES
	bool "64KB"

endchoice

config NR_CPUS
	int "Processors"
	range 2 512
	default 16
""",
    "drivers/Kconfig": """\
config MODULES
	bool "Modules"

config PCI
	bool "PCI"

menu "Network"
	depends on PCI

config MDIO
	tristate

config PHY
	tristate "A PHY"
	select MDIO
	help
	  Words of help, which mean
	  nothing: depends on FOO.

if ARCH_BOARD

config MACB
	tristate "A MAC"
	depends on PHY

endif

endmenu

config ARCH_BOARD
	bool "A board"

config LD_HAS_WINGS
	def_bool $(success,false)

config WINGS
	bool "Wings"
	depends on LD_HAS_WINGS
""",
    "arch/arm64/configs/defconfig": "CONFIG_MODULES=y\nCONFIG_PCI=y\nCONFIG_PHY=m\n",
    "arch/arm64/boot/dts/board.dts": '/dts-v1/;\n/ { compatible = "example,board"; #address-cells = <1>; #size-cells = <1>; };\n',
    "init/head.S": _HEAD,
    "init/version.c": """\
const char linux_banner[] __attribute__((used, section(".text.banner"))) =
	"Linux version " UTS_RELEASE " (" BUILT ") (gcc, ld) #1 SMP " __FILE__ "\\n";
""",
    "fs/namespace.c": """\
int may_clone(int attached)
{
	if (!attached)
		return -22;
	return 0;
}

int may_move(int detached)
{
	if (detached)
		return -22;
	return 0;
}
""",
    "drivers/net/macb.c": """\
static const char license[] __attribute__((used, section(".modinfo"))) = "license=GPL";
int macb_probe(void) { return 0; }
""",
    "drivers/net/phy.c": """\
static const char license[] __attribute__((used, section(".modinfo"))) = "license=GPL";
int phy_probe(void) { return 1; }
""",
}  # fmt: skip


def _init_kconfig() -> str:
    """Options that the preset `probe` asks for, with nothing that they depend on."""
    names = [name.removeprefix("CONFIG_") for name in PRESETS.get("probe").options]
    texts = "".join(f'config {name}\n\tbool "{name.lower()}"\n\n' for name in names)
    return f'{texts}config LOCALVERSION\n\tstring "Behind the version"\n'


def kernel_tree(folder: Path, **changes: str | None) -> Path:
    """The tree in a folder; `changes` are files by path, None for one that is left out."""
    files: dict[str, str | None] = {**FILES, "init/Kconfig": _init_kconfig(), **changes}
    for name, text in files.items():
        if text is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("@PYTHON@", sys.executable))
    return folder
