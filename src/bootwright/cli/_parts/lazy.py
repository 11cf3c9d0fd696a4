"""Commands found by file name and imported only when called.

`cli/boot.py` holds `command`, and is `bootwright boot`; a folder `cli/lab/` is the group `bootwright lab`
and its modules are the group's commands. Nothing is registered by hand, and a command does not pay
for the imports of the others.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import click

_NOT_COMMANDS = frozenset({"__init__", "main"})


class Folder(click.Group):
    """A group whose commands are the modules of one package."""

    def __init__(self, package: str, folder: Path, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        self._package = package
        self._folder = folder
        self._names: list[str] = []

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names of the modules and folders, as commands."""
        if self._names:
            return self._names
        modules = {path.stem for path in self._folder.glob("*.py") if not path.stem.startswith("_")}
        groups = {
            path.parent.name
            for path in self._folder.glob("*/__init__.py")
            if not path.parent.name.startswith("_")
        }
        self._names = sorted(name.replace("_", "-") for name in (modules | groups) - _NOT_COMMANDS)
        return self._names

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the command that was probably meant for a name that is none."""
        name = args[0]
        if name not in self.list_commands(ctx) and not ctx.resilient_parsing and not name.startswith("-"):
            from bootwright.foundation.choices import no_such

            raise no_such(f"there is no command {name!r}", name, self.list_commands(ctx), kind="commands")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None when there is none of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"{self._package}.{name}")
        folder = self._folder / name
        if folder.is_dir():
            return Folder(module.__name__, folder, name=cmd_name, help=module.__doc__, no_args_is_help=True)
        command: click.Command = module.command
        return command
