"""Any text is read as a command line and as modprobe's configuration; `root=` in it always has an answer."""

from __future__ import annotations

from bootwright.formats.modules.modprobe_config import parse_modprobe
from bootwright.predict.start.arguments import Arguments


def one_input(data: bytes) -> None:
    """Read the bytes both ways."""
    text = data.decode("utf-8", "replace")
    arguments = Arguments(text, "fuzz")
    assert all(argument.text for argument in arguments.items)
    assert arguments.devlink in {"off", "permissive", "on", "rpm"}
    assert not arguments.blocked & {""}
    _ = arguments.no_modules, arguments.shunned, arguments.stopped_initcalls
    for line in parse_modprobe(text, "fuzz"):
        assert line.where.startswith("fuzz:")
        assert line.command != "install" or isinstance(line.prevents, bool)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
