"""Predictions against recorded boots: node by node, without per-machine rules."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from bootwright.foundation.errors import BootwrightError
from bootwright.kernels.catalogue import open_library
from bootwright.lab.truth.machines import truth_machine
from bootwright.lab.truth.recording import Device, Interface, Truth, from_json
from bootwright.predict.model import Answer, Evidence, Link, NodePrediction

ROOT = Path(__file__).parents[2]
RECORDED = sorted((Path(__file__).parent / "truth").glob("*.json"))


def scorer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("score_predict", ROOT / "benchmarks" / "score_predict.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.download
def test_precision_and_recall_over_all_recordings() -> None:
    score = scorer()
    total, without = score.Score(), score.Score()
    kernels = 0
    for path in RECORDED:
        truth = from_json(path.read_text(), path.name)
        try:
            open_library().get(truth.kernel, modules=True)
        except BootwrightError:
            continue
        kernels += 1
        total.add(score.score(truth, truth.kernel))
        without.add(score.score(truth, truth.kernel, masks=False))
    if not kernels:
        pytest.skip("none of the kernels is here or in the archive")
    assert total.precision >= 0.99, total.wrongly_bound
    assert without.precision >= 0.80
    assert total.recall >= 0.99, total.missed
    assert total.recall_with_unknown >= 0.98, total.doubted
    assert not total.network_wrong


def predicted(path: str, answer: Answer, *links: Link) -> NodePrediction:
    return NodePrediction(
        path=path,
        device=links[0].answer if links else Answer.NO,
        bound=answer,
        bus="platform",
        driver="d",
        where="built-in",
        reason="",
        waits_for=tuple(link.waits_for for link in links if link.waits_for),
        links=links,
    )


def link(needs: str, answer: Answer = Answer.YES, waits_for: str | None = None) -> Link:
    return Link("/x", needs, answer, Evidence("here", "rule"), waits_for=waits_for)


def test_a_prediction_is_right_only_for_the_right_reason() -> None:
    truth = Truth(
        machine="virt",
        kernel="k",
        release="r",
        qemu="q",
        devices=(
            Device("/good", "platform", "good", "d"),
            Device("/ethernet@1", "platform", "1.ethernet", None),
            Device("/ethernet@2", "platform", "2.ethernet", None),
            Device("/clk", "platform", "clk", None),
        ),
        interfaces=(Interface("eth0", "/good", "d", "10.0.2.15"),),
        deferred=(
            ("1.ethernet", "platform: supplier clk not ready"),
            ("2.ethernet", "platform: supplier clk not ready"),
        ),
        failures=(),
        failed_modules=(),
        fdt=b"",
    )
    made, driver = link("device"), link("driver d")
    nodes = [
        predicted("/good", Answer.YES, made, driver),
        predicted("/ethernet@1", Answer.NO, made, driver, link("supplier: clocks", Answer.NO, "/clk")),
        predicted("/ethernet@2", Answer.NO, made, driver, link("supplier: phys", Answer.NO, "/good")),
        predicted("/clk", Answer.NO, made, link("driver", Answer.NO)),
        predicted("/ethernet@3", Answer.NO),
    ]
    comparison = scorer().compare(truth, nodes, truth_machine("virt"))
    assert (comparison.right, comparison.precision, comparison.recall) == (1, 1.0, 1.0)
    assert comparison.reasons_right == 2
    assert [node for node, _ in comparison.reasons_wrong] == ["/ethernet@2"]
    assert [node for node, _ in comparison.network_wrong] == ["/ethernet@2"]
    assert (comparison.network_bound, comparison.network_missing, comparison.leases) == (1, 3, 1)
    assert comparison.devices_wrong == []
