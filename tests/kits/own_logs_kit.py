"""The golden logs with their diagnoses, and harmless kernel lines, made when a test first asks.

Not when the tests are collected: every worker collects all of them, and one of them runs these.
"""

from __future__ import annotations

from functools import cache

from relations import Case
from score_relations import harmless_lines, own_logs


@cache
def cases() -> list[Case]:
    return list(own_logs())


@cache
def noise() -> list[bytes]:
    return harmless_lines()
