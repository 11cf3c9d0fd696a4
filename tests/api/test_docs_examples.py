"""The examples of docs/api.md run as they stand."""

import re
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"
EXAMPLES = re.findall(
    r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)


def title(code: str) -> str:
    """The functions that an example calls."""
    return (
        "-".join(re.findall(r"\b(check_matrix|check|predict|inspect|diagnose|list_kernels)\(", code))
        or "code"
    )


@pytest.mark.download
@pytest.mark.parametrize("code", EXAMPLES, ids=title)
def test_example_runs(code: str) -> None:
    exec(compile(code, str(DOCUMENT), "exec"), {"__name__": "example"})  # noqa: S102 - our own document


def test_every_function_is_in_the_table() -> None:
    import bootwright.api as api

    functions = [name for name in api.__all__ if name.islower()]
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [name for name in functions if f"`{name}(" not in text] == []
