"""The diagnosis of a log that a test writes down as text."""

from __future__ import annotations

from bootwright.diagnose.engine import diagnose_bytes
from bootwright.diagnose.model import Diagnosis
from bootwright.diagnose.signatures.knowledge import load


def diagnosed(text: str) -> Diagnosis:
    return diagnose_bytes(text.encode(), "log", load())
