"""Facts and their differences on a terminal."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from bootwright.inspect.facts import Fact, Item, Value

if TYPE_CHECKING:
    from bootwright.inspect.booted import Boot
    from bootwright.inspect.difference.model import Difference
    from bootwright.predict.goal_difference import Suspect
    from bootwright.predict.model import GoalVerdict

_SHOWN = 12
"""Children, or values of a list, beyond which the rest is counted."""

_PIPE_WIDTH = 4096
"""Columns where the output is no terminal: lines are not broken for a program that reads them."""


def print_tree(item: Item, *, where: bool = False, everything: bool = False) -> None:
    """Print an item with all below it; control characters from the artifact are made visible."""
    console = _console()
    tree = Tree(_title(item, where=where), guide_style="dim")
    _fill(tree, item, where=where, everything=everything)
    console.print(tree)


def _fill(tree: Tree, item: Item, *, where: bool, everything: bool) -> None:
    for fact in item.facts:
        tree.add(_fact(fact, where=where, everything=everything))
    for problem in item.problems:
        tree.add(f"[red]problem:[/red] {_safe(problem.message)}")
    shown = item.children if everything else item.children[:_SHOWN]
    for child in shown:
        _fill(tree.add(_title(child, where=where)), child, where=where, everything=everything)
    if len(shown) < len(item.children):
        names = ", ".join(
            _safe(child.name.rpartition("/")[2]) for child in item.children[_SHOWN : _SHOWN + 4]
        )
        tree.add(f"[dim]and {len(item.children) - len(shown)} more: {names}, … (--all shows them)[/dim]")


def _title(item: Item, *, where: bool) -> str:
    place = f" [dim]{_safe(item.origin.where)}[/dim]" if where else ""
    return f"[bold]{_safe(item.name)}[/bold] [cyan]{item.kind}[/cyan]{place}"


def _fact(fact: Fact, *, where: bool, everything: bool) -> str:
    text = f"{fact.name}: {_value(fact.value, everything=everything, name=fact.name)}"
    if where:
        at = "" if fact.origin.offset is None else f" at {fact.origin.offset:#x}"
        text += f" [dim]({_safe(fact.origin.where)}{at})[/dim]"
    return text


def _value(value: Value, *, everything: bool, name: str = "") -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _number(value, name)
    if isinstance(value, str) or value is None:
        return _safe(value or "")
    if isinstance(value, Mapping):
        return "".join(
            f"\n  {_safe(key)}: {_value(entry, everything=everything, name=name)}"
            for key, entry in list(value.items())[: None if everything else 4 * _SHOWN]
        )
    return _sequence(value, everything=everything)


def _sequence(value: Sequence[Value], *, everything: bool) -> str:
    shown = value if everything else value[:_SHOWN]
    text = ", ".join(
        _value(_stated(entry), everything=everything).replace("\n  ", " ").strip() for entry in shown
    )
    return text if len(shown) == len(value) else f"{text}, … ({len(value)} in all)"


def _stated(value: Value) -> Value:
    """A table in a list without what it does not state."""
    if not isinstance(value, Mapping):
        return value
    return {name: entry for name, entry in value.items() if entry is not None}


def _number(value: int, name: str) -> str:
    sized = {"size", "bytes", "expanded", "offset", "image_size", "file_size", "files"}
    if name in sized and value >= 10_000:
        for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
            if value >= factor and name != "files":
                return f"{value} ({value / factor:.1f} {unit})"
    return str(value)


def _safe(text: str) -> str:
    """Printable, and free of what rich would take for markup."""
    return escape("".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text))


def print_boot(boot: Boot) -> None:
    """What of an artifact would be booted, one line for each answer, and what is not certain."""
    size = boot.kernel.fact("page_size")
    pages = f" with {size // 1024}K pages" if isinstance(size, int) else ""
    entry = f" ({boot.entry.title})" if boot.entry and boot.entry.title else ""
    system = boot.os.get("PRETTY_NAME") or boot.os.get("ID")
    uki = boot.chain.uki if boot.chain is not None else None
    place = uki.path if uki is not None else boot.kernel.name
    text = f"{boot.kernel.fact('release')}{pages} from {place}{entry}"
    text += f", {system}" if system else ""
    text += f"; {len(boot.others)} other kernels" if boot.others else ""
    console = _console()
    console.print(f"[bold]boots[/bold] {_safe(text)}")
    from bootwright.bootchain.model import started

    answers = started(boot.chains)
    for chain in answers if len(answers) > 1 else ():
        kernel = chain.kernel.place if chain.kernel is not None else "; ".join(chain.unknown)
        console.print(f"  on {_safe(', '.join(chain.boards))}: {_safe(kernel)}")
    if boot.unsure:
        console.print(f"  [yellow]not certain:[/yellow] {_safe(boot.unsure)}")
    for reason in (*boot.missing, *(boot.chain.unknown if boot.chain is not None else ())):
        console.print(f"  [yellow]note:[/yellow] {_safe(reason)}")


def print_no_boot(reason: str) -> None:
    """Why it cannot be said what of an artifact starts by itself, or why nothing does."""
    _console().print(f"[bold]boots:[/bold] {_safe(reason)}")


def print_problems(*items: Item) -> None:
    """What could not be read, and so was not compared."""
    console = _console()
    for item in items:
        for child in item.walk():
            for problem in child.problems:
                console.print(f"[red]problem:[/red] {_safe(problem.message)}")


def print_differences(
    differences: Sequence[Difference], *, where: bool = False, everything: bool = False
) -> None:
    """Print differences by area: `-` lost, `+` gained, `~` changed."""
    console = _console()
    if not differences:
        console.print("nothing differs")
    for area, group in itertools.groupby(differences, key=lambda difference: difference.area):
        each_of_area = list(group)
        console.print(f"[bold]{area.value}[/bold] [dim]({len(each_of_area)})[/dim]")
        shown = each_of_area if everything else each_of_area[: 3 * _SHOWN]
        for difference in shown:
            console.print(f"  {_difference(difference, everything=everything)}")
            if where:
                for origin in (difference.where_before, difference.where_after):
                    at = "" if origin is None or origin.offset is None else f" at {origin.offset:#x}"
                    if origin is not None:
                        console.print(f"      [dim]{_safe(origin.where)}{at}[/dim]")
        if len(shown) < len(each_of_area):
            console.print(f"  [dim]and {len(each_of_area) - len(shown)} more (--all shows them)[/dim]")


def print_suspects(
    before: GoalVerdict, after: GoalVerdict, suspects: Sequence[Suspect], *, everything: bool = False
) -> None:
    """Print how a goal fares on both sides, and what differs on its chain, the most suspect first."""
    console = _console()
    console.print(f"[bold]{_safe(before.goal)}[/bold]: {before.verdict.value} → {after.verdict.value}")
    for name, verdict in (("before", before), ("after", after)):
        broken = verdict.first_broken
        if broken is not None:
            console.print(f"  {name}: first broken link {_safe(broken.node)}: {_safe(broken.reason)}")
    if not suspects:
        console.print("nothing on its chain differs")
    shown = suspects if everything else suspects[: 4 * _SHOWN]
    for suspect in shown:
        console.print(f"{suspect.suspicion.value} {_difference(suspect.difference, everything=everything)}")
        console.print(f"      [dim]{_safe(suspect.why)}[/dim]")
    if len(shown) < len(suspects):
        console.print(f"  [dim]and {len(suspects) - len(shown)} more (--all shows them)[/dim]")


def _difference(difference: Difference, *, everything: bool) -> str:
    before = _value(difference.before, everything=everything, name=difference.what)
    after = _value(difference.after, everything=everything, name=difference.what)
    title = _safe(difference.what)
    if difference.change == "gained":
        return f"[green]+[/green] {title}: {after}"
    if difference.change == "lost":
        return f"[red]-[/red] {title}: {before}"
    return f"[yellow]~[/yellow] {title}: {before} → {after}"


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)
