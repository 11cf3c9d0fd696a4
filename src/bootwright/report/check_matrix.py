"""The matrix of `bootwright check --matrix`: a table for a terminal, a heat map for a browser."""

from __future__ import annotations

import html as escape
from collections.abc import Iterator

from bootwright.foundation.verdict import Verdict
from bootwright.predict.matrix import Cell, Matrix

_STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #1a1a1a; }
table { border-collapse: collapse; margin: 0 0 2em; }
th, td { border: 1px solid #bbb; padding: .35em .6em; text-align: left; vertical-align: top; }
th { background: #f2f2f2; font-weight: 600; }
.works { background: #d7f0d7; } .fails { background: #f6d5d2; } .unknown { background: #f3ecc8; }
small { display: block; color: #444; max-width: 22em; overflow-wrap: anywhere; }
"""


def lines(table: Matrix) -> Iterator[str]:
    """One block for each board, stepping and goal: a row for each kernel, a column for each source."""
    for (board, stepping, goal), cells in _groups(table).items():
        yield f"{board} {stepping}: {goal}"
        width = max(len(name) for name in table.kernels)
        columns = [source for source in table.sources if any(cell.dtbs == source for cell in cells.values())]
        yield "  " + " " * width + "  " + "  ".join(f"{column:>{max(9, len(column))}}" for column in columns)
        for kernel in table.kernels:
            squares = [f"{_word(cells.get((kernel, column))):>{max(9, len(column))}}" for column in columns]
            yield f"  {kernel:<{width}}  " + "  ".join(squares)
        notes = dict.fromkeys(
            f"    {cell.kernel} with {cell.dtbs}: {cell.node}: {cell.reason}"
            for cell in cells.values()
            if cell.node
        )
        yield from notes
        yield ""


def html(table: Matrix) -> str:
    """A page of its own, without scripts; every text from the artifacts is escaped."""
    markup = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>bootwright check</title>",
        f"<style>{_STYLE}</style></head><body><h1>Kernels and devicetrees</h1>",
    ]
    for (board, stepping, goal), cells in _groups(table).items():
        columns = [source for source in table.sources if any(cell.dtbs == source for cell in cells.values())]
        markup.append(f"<h2>{_safe(board)} {_safe(stepping)}: {_safe(goal)}</h2><table><tr><th>kernel</th>")
        markup.extend(f"<th>devicetree of {_safe(column)}</th>" for column in columns)
        markup.append("</tr>")
        for kernel in table.kernels:
            markup.append(f"<tr><th>{_safe(kernel)}</th>")
            markup.extend(_square(cells.get((kernel, column))) for column in columns)
            markup.append("</tr>")
        markup.append("</table>")
    markup.append("</body></html>\n")
    return "".join(markup)


def _groups(table: Matrix) -> dict[tuple[str, str, str], dict[tuple[str, str], Cell]]:
    groups: dict[tuple[str, str, str], dict[tuple[str, str], Cell]] = {}
    for cell in table.cells:
        key = (cell.board, cell.stepping, cell.goal)
        groups.setdefault(key, {})[cell.kernel, cell.dtbs] = cell
    return groups


def _word(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    return cell.verdict.value + ("!" if cell.hazards and cell.verdict is Verdict.WORKS else "")


def _square(cell: Cell | None) -> str:
    if cell is None:
        return "<td>no devicetree</td>"
    text = f"<b>{cell.verdict.value}</b>"
    if cell.node:
        text += f"<small>{_safe(cell.node)}: {_safe(cell.reason)}</small>"
    if cell.hazards:
        text += f"<small>hazards: {_safe(', '.join(cell.hazards))}</small>"
    return f"<td class='{cell.verdict.value}'>{text}</td>"


def _safe(text: str) -> str:
    return escape.escape("".join(char if char.isprintable() else "\ufffd" for char in text))
