"""The remedy nearest at hand: another kernel here that has the driver."""

from __future__ import annotations

import pytest

from bootwright.foundation.verdict import Verdict
from bootwright.predict import elsewhere
from bootwright.predict.kernel.built_in_store import is_read
from bootwright.predict.kernel.drivers import KernelFacts
from bootwright.predict.model import Answer, Evidence, GoalVerdict, Link

from .conftest import BASE, driver, make_kernel, module
from .test_pi5 import OWN, kernel


def lacking(*compatibles: str) -> GoalVerdict:
    link = Link(
        "/x",
        "driver",
        Answer.NO,
        Evidence("k", "r"),
        "none",
        remedy="use a kernel that has one",
        lacks=compatibles,
    )
    return GoalVerdict("usb", Verdict.FAILS, "/x", (link,), link, (), ())


def test_other_kernels_with_the_driver_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[KernelFacts] = [
        make_kernel((*BASE, driver("x", "acme,x")), version="6.19"),
        make_kernel(BASE, [module("xmod", "acme,y")], version="6.18.0"),
        make_kernel(BASE, version="6.12"),
    ]
    for number, one in enumerate(others):
        one.name = f"kernel-{number}"
    monkeypatch.setattr(elsewhere, "_other_kernels", lambda kernel: iter(others))
    here = make_kernel(version="6.18.0")
    assert elsewhere.remedy(["acme,x"], here) == "of the kernels on this machine kernel-0 has one (built in)"
    assert "in the module xmod: add that" in elsewhere.remedy(["acme,y"], here)
    assert elsewhere.remedy(["acme,z"], here) == ""
    told = elsewhere.with_remedy(lacking("acme,x"), here)
    assert told.first_broken is not None
    assert told.first_broken.remedy == "of the kernels on this machine kernel-0 has one (built in)"
    assert told.chain == (told.first_broken,)
    assert elsewhere.with_remedy(lacking("acme,z"), here) == lacking("acme,z")


@pytest.mark.download
def test_only_kernels_that_are_read_already_are_asked() -> None:
    from bootwright.predict.api import facts_of

    facts = facts_of(kernel(OWN))
    assert is_read(kernel(OWN))
    assert all(is_read(kernel(one.name)) for one in elsewhere._other_kernels(facts))
    assert facts.name not in {one.name for one in elsewhere._other_kernels(facts)}
