"""The layout holds: small modules and folders, TOML read in one place, no circles behind typing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from longest_first import SECONDS

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "bootwright"
MOST_LINES = 400
MOST_FILES = 15


def modules() -> Iterator[Path]:
    return (path for path in sorted(SOURCE.rglob("*.py")) if "data" not in path.relative_to(SOURCE).parts)


def programs() -> Iterator[Path]:
    yield from modules()
    for folder in ("tests", "benchmarks", "fuzz", "tools"):
        yield from sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_is_short_and_has_a_docstring(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert ast.get_docstring(ast.parse(text))


def test_a_folder_holds_few_modules() -> None:
    folders = {path.parent for path in modules()}
    crowded = {
        str(folder.relative_to(SOURCE)): count
        for folder in folders
        if (count := sum(path.name != "__init__.py" for path in folder.glob("*.py"))) > MOST_FILES
        and folder.name != "cli"  # one module a command: its size is that of the list of commands
    }
    assert not crowded


def test_files_of_tests_have_names_of_their_own() -> None:
    """Folders of tests are no packages: of two files with one name pytest can collect only one."""
    names: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path.name != "conftest.py" and not (path.parent / "__init__.py").exists():
            names.setdefault(path.name, []).append(str(path.relative_to(ROOT)))
    assert not [paths for paths in names.values() if len(paths) > 1]


def test_files_that_are_known_to_take_long_are_there() -> None:
    assert [name for name in SECONDS if not (ROOT / "tests" / name).is_file()] == []


def test_toml_is_read_in_one_place() -> None:
    readers = {
        path.relative_to(SOURCE).as_posix() for path in modules() if "import tomllib" in path.read_text()
    }
    assert readers == {"foundation/knowledge.py"}


def test_imports_for_typing_make_no_circle() -> None:
    """What a module imports only for type checking must not import that module, at any distance."""
    graph: dict[str, set[str]] = {}
    names = {_name(path): path for path in modules()}
    for name, path in names.items():
        graph[name] = set(_imports(ast.parse(path.read_text()), names))
    for name in names:
        reached: set[str] = set()
        waiting = list(graph[name])
        while waiting:
            current = waiting.pop()
            if current not in reached:
                reached.add(current)
                waiting.extend(graph[current])
        assert name not in reached, f"{name} imports itself by way of others"


def _name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(tree: ast.Module, names: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield from (name for name in (full if full in names else node.module,) if name in names)


def _names_bound(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of each variable of a function; not the two sides of an error, expected and found."""
    functions = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.Lambda)))
    for node in {inner for function in functions for inner in ast.walk(function)}:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            names = {argument.arg: argument for argument in node.args.args + node.args.kwonlyargs}
            if "expected" not in names:
                yield from ((argument.lineno, name) for name, argument in names.items())
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                of_target = [name for name in ast.walk(target) if isinstance(name, ast.Name)]
                if "expected" not in {name.id for name in of_target}:
                    yield from ((name.lineno, name.id) for name in of_target)
        elif isinstance(node, (ast.AnnAssign, ast.For, ast.comprehension, ast.NamedExpr)):
            yield from (
                (name.lineno, name.id) for name in ast.walk(node.target) if isinstance(name, ast.Name)
            )


def test_a_name_says_what_it_holds() -> None:
    nameless = {"each", "found", "one", "room", "told"}
    bound = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in programs()
        for line, name in _names_bound(ast.parse(path.read_text(encoding="utf-8")))
        if name in nameless
    ]
    assert not bound
