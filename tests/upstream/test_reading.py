"""Sources as far as changes need them: C, devicetrees, Kconfig, Makefiles, configurations, patches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootwright.upstream.relevance.c_code import definitions_of, tokens_of
from bootwright.upstream.relevance.configs import (
    architecture,
    configuration,
    kconfig_lines,
    needed_options,
    objects_of,
)
from bootwright.upstream.relevance.dts_text import DtsGroup, read_dts
from bootwright.upstream.relevance.edits import Edit, edits_of_patch
from bootwright.upstream.relevance.effect import same_code
from bootwright.upstream.relevance.reach import Served, Source, reach

_DRIVER = """\
#include <linux/of.h>
#ifdef CONFIG_X
static int early(struct device *dev) {
#else
static int early(void) {
#endif
	return 1;
}
static const char *const names[] = { "a", "b" };
DEFINE_MUTEX(lock);
static int ours(struct device *dev)
{
	return helper(dev) + early(dev);
}
static int others(struct device *dev)
{
	dev_err(dev, "no\\n");
	return 2;
}
static const struct of_device_id table[] = {
	{ .compatible = "x,ours", .data = ours }, { .compatible = "x,others", .data = others },
	{
		.compatible = "y,others",
		.data = others,
	},
};
SYSCALL_DEFINE2(open_tree, int, fd, int, flags)
{
	return 0;
}
"""


def test_definitions_have_their_lines_and_names() -> None:
    definitions = definitions_of(tokens_of(_DRIVER))
    by_name = {name: definition for definition in definitions for name in definition.names}
    assert (by_name["ours"].first, by_name["ours"].last) == (11, 14)
    assert (by_name["table"].first, by_name["table"].last) == (20, 26)
    assert len(by_name["table"].entries()) == 3
    assert by_name["sys:open_tree"].first == 27
    assert "names" in by_name
    assert "early" in by_name


@pytest.mark.parametrize(
    ("line", "touched"),
    [(13, True), (7, True), (18, False), (16, False), (23, False), (24, False), (21, True), (1, True)],
)
def test_what_only_others_use_is_not_ours(line: int, touched: bool) -> None:
    known = reach([Source.read("d.c", _DRIVER)], Served(compatibles=frozenset({"x,ours"})))
    assert known.touches("d.c", [line]) is touched


def test_of_a_driver_whose_table_does_not_name_ours_everything_counts() -> None:
    known = reach([Source.read("d.c", _DRIVER)], Served(compatibles=frozenset({"z,none"})))
    assert known.touches("d.c", [18])


def test_a_system_call_is_what_its_definition_leads_to() -> None:
    known = reach([Source.read("d.c", _DRIVER)], Served(calls=frozenset({"open_tree"})))
    assert known.touches("d.c", [29])
    assert not known.touches("d.c", [13])


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("a = 1; /* one */", "a = 1; // uno", True),
        ('dev_err(dev, "bussy %d\\n", x);', 'dev_err(dev, "busy %d\\n", x);', True),
        ('dev_err(dev, "busy %d\\n", x);', 'dev_err(dev, "busy %d\\n", y);', False),
        ('.compatible = "a,b"', '.compatible = "a,c"', False),
        ("a=1;", "a = 1;", True),
        ("a = 1;", "a = 2;", False),
    ],
)
def test_what_the_compiler_sees(before: str, after: str, same: bool) -> None:
    texts = [[token.text for token in tokens_of(text)] for text in (before, after)]
    assert (texts[0] == texts[1]) is same


_BOARD = """\
/dts-v1/;
#include "soc.dtsi"
/ {
	aliases { ethernet0 = &eth; };
	fixed: regulator { x = <1>; };
};
&eth { status = "okay"; supply = <&fixed>;
	mdio { phy: phy@1 { reg = <1>; }; };
};
&uart { status = "okay"; };
"""
_SOC = """\
/ {
	bus@0 { /* { */
		ranges;
		eth: ethernet@1000 {
			compatible = "x,ours"; // a comment
		};
		eth2: ethernet@2000 { compatible = "x,ours"; };
		uart: serial@3000 { compatible = "x,uart"; };
	};
};
"""


def test_nodes_of_a_devicetree_source() -> None:
    group = DtsGroup({"board.dts": read_dts("board.dts", _BOARD), "soc.dtsi": read_dts("soc.dtsi", _SOC)})
    names = frozenset({"ethernet@1000", "bus@0"})
    ours = group.ours(names, frozenset({"ethernet@1000"}), frozenset(), frozenset({"x,ours"}))
    chosen = {(path, group.files[path].nodes[index].name) for path, index in ours}
    assert chosen == {
        ("soc.dtsi", "bus@0"),
        ("soc.dtsi", "ethernet@1000"),
        ("board.dts", "&eth"),
        ("board.dts", "mdio"),
        ("board.dts", "phy@1"),
        ("board.dts", "regulator"),
    }


def test_where_no_address_fits_the_compatible_tells() -> None:
    group = DtsGroup({"soc.dtsi": read_dts("soc.dtsi", _SOC)})
    ours = group.ours(frozenset({"ethernet@9"}), frozenset(), frozenset(), frozenset({"x,ours"}))
    names = {group.files[path].nodes[index].name for path, index in ours}
    assert names == {"bus@0", "ethernet@1000", "ethernet@2000"}


_KCONFIG = "\n".join(
    [
        "config MACB",
        '\ttristate "MACB"',
        "\tdepends on PCI && \\",
        "\t\tOF",
        "\thelp",
        "\t  config ZZ is mentioned",
        "\t  depends on NOTHING",
        "",
        "if MACB",
        "config DD",
        "\tbool",
        "\tselect PHYLINK",
        "endif",
    ]
)


def test_lines_of_kconfig() -> None:
    lines = kconfig_lines(_KCONFIG)
    assert {lines[number] for number in (1, 2, 3, 4)} == {"CONFIG_MACB"}
    assert 6 not in lines
    assert lines[12] == "CONFIG_DD"
    assert needed_options(_KCONFIG, ["CONFIG_MACB"]) == {"CONFIG_PCI", "CONFIG_OF"}
    assert needed_options(_KCONFIG, ["CONFIG_DD"]) == {"CONFIG_PHYLINK"}


def test_a_configuration_and_whom_it_is_for() -> None:
    text = '# Linux/x86 6.18 Kernel Configuration\nCONFIG_A=m\n# CONFIG_B is not set\nCONFIG_C="y"\n'
    assert configuration(text, ["CONFIG_A", "CONFIG_B", "CONFIG_D"]) == {"CONFIG_A": "m", "CONFIG_B": "n"}
    assert architecture("config", text) == "x86"
    assert architecture("arch/arm64/configs/defconfig", "") == "arm64"
    assert architecture("config", "") is None


def test_objects_of_a_makefile() -> None:
    options, parts = objects_of(
        "macb-y := macb_main.o \\\n\tmacb_x.o\n"
        "macb-$(CONFIG_P) += macb_ptp.o\n"
        "obj-$(CONFIG_MACB) += macb.o a.o\n"
    )
    assert options["macb"] == {"CONFIG_MACB"}
    assert parts["macb"] == {"macb_main", "macb_x", "macb_ptp"}


def test_lines_of_a_patch_have_their_numbers() -> None:
    patch = b"--- a/f\n+++ b/f\n@@ -2,3 +2,4 @@\n a\n-b\n+c\n+d\n e\n@@ -9,0 +11,1 @@\n+z\n"
    [edits] = edits_of_patch(patch, "x.patch")
    assert edits.removed == [(3, "b")]
    assert edits.added == [(3, "c"), (4, "d"), (11, "z")]
    assert edits_of_patch(b"--- a/f\n+++ b/f\n@@ nonsense", "x.patch") == []


@given(st.text(alphabet=st.sampled_from(list("{}()[];,=#\"/*'\\\n ab.:<>&-"))))
def test_any_text_is_read(text: str) -> None:
    tokens = tokens_of(text)
    lines = text.count("\n") + 1
    for definition in definitions_of(tokens):
        assert 1 <= definition.first <= definition.last <= lines
        definition.entries()
    file = read_dts("x.dts", text)
    assert all(1 <= node.first <= node.last <= lines for node in file.nodes)
    kconfig_lines(text)
    objects_of(text)
    reach([Source.read("x.c", text)], Served(compatibles=frozenset({"a"}))).touches("x.c", [1])


@pytest.mark.parametrize(
    ("added", "same"),
    [
        ("/*\n * Who wrote it.\n */\nint probe(void);", False),  # a new file's head, and code
        ("/*\n * Who wrote it.\n */", True),
        (" * the middle\n * of a comment", True),
        (" * its end\n */\nint probe(void);", False),
        ("int probe(void); /* and\n * more */", False),
        ("\t/* one line */", True),
        (" */", True),
    ],
)
def test_comments_that_begin_or_end_outside_of_a_change(added: str, same: bool) -> None:
    lines = tuple(enumerate(added.split("\n"), 1))
    assert same_code(Edit((), lines)) is same
    assert same_code(Edit(lines, ())) is same
