"""The first lines of firmware, loaders and kernels, as one question."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from bootwright.diagnose.reading.patterns import holds
from bootwright.diagnose.signatures.model import Knowledge

_NAMED: Final = re.compile(r"\(\?P<\w+>")


def banner_of(knowledge: Knowledge) -> Callable[[bytes], bool]:
    """Whether a line is one that a boot may begin with. The expressions are compiled when first asked."""

    def banner(line: bytes) -> bool:
        return _holds(knowledge)(line)

    return banner


@lru_cache(maxsize=4)
def _holds(knowledge: Knowledge) -> Callable[[bytes], bool]:
    begin = [marker.pattern.expression for marker in knowledge.markers.values() if marker.begins]
    # One name may stand in one expression only.
    return holds("|".join(f"(?:{_NAMED.sub('(?:', expression)})" for expression in begin).encode())
