from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from made_up import as_known, investigate, made_up

from bootwright.foundation.verdict import Verdict
from bootwright.foundation.versions import Version
from bootwright.investigate.analysis.observations import Observation, Source
from bootwright.investigate.decision.decide import decide
from bootwright.investigate.plans.plan_file import load_plan
from bootwright.investigate.running.investigation import Investigation, study
from bootwright.report.result import result

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "schemas" / "result.schema.json").read_text(encoding="utf-8")
)


def errors(document: object) -> list[str]:
    validator = Draft202012Validator(SCHEMA)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def as_json(investigation: Investigation) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(result(investigation, decide(investigation))))
    return document


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_a_whole_investigation_fits() -> None:
    document = as_json(made_up()[0])
    assert errors(document) == []
    assert document["outcomes"]["talos-mounts"]["settled"] is True
    assert {cell["source"] for cell in document["cells"]} == {"reported", "emulated"}


def test_a_table_alone_fits() -> None:
    rows = [
        Observation("a", {"pages": ("4K",), "board": ("x", "y")}, {"net": Verdict.WORKS}, Source.REPORTED),
        Observation("b", {"pages": ("16K",)}, {"net": Verdict.FAILS}, Source.BENCH, {"note": "dark"}),
    ]
    document = as_json(study(rows, "seen.csv"))
    assert document["plan"] is None
    assert errors(document) == []


def test_flaky_cells_and_guests_that_say_nothing_fit() -> None:
    boots = iter(range(1000))

    def flaky(test: str, version: Version, page_size: int) -> str:
        return "EINVAL" if test == "attach-first" and next(boots) % 2 else as_known(test, version, page_size)

    document = as_json(investigate(load_plan("talos-rpi5"), flaky, repeat=2))
    assert document["outcomes"]["attach-first"]["flaky"]
    assert errors(document) == []
    silent = as_json(investigate(load_plan("talos-rpi5"), as_known, lambda _: b"\xff\x00garbage"))
    assert {cell["evidence"].get("release", "") for cell in silent["cells"]} == {"", None}
    assert errors(silent) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "bootwright/result/3"),
        (("surprise",), 1),
        (("cells", 0, "source"), "guessed"),
        (("cells", 2, "outcomes", "talos-mounts"), "maybe"),
        (("cells", 2, "evidence", "kernel_sha256"), "short"),
        (("outcomes", "ethernet", "causes"), [{"factors": {"a": "1", "b": "2", "c": "3"}}]),
        (("decision", "verdict"), "probably"),
    ],
)
def test_the_schema_refuses_what_is_wrong(path: tuple[str | int, ...], value: object) -> None:
    document = as_json(made_up()[0])
    at: Any = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    assert errors(document)
