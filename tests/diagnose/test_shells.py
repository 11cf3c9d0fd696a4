"""A shell's prompt shows that a system is up where something of a system is seen beside it."""

from __future__ import annotations

import pytest
from diagnosed_kit import diagnosed

from bootwright.diagnose.model import Outcome

PROMPTS = ["root@quux:~#", "me@quux:~$", "[root@quux ~]#"]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_text_with_a_prompt_is_no_boot(prompt: str) -> None:
    assert diagnosed(f"hello world\n{prompt} \n").outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("prompt", PROMPTS)
def test_what_a_program_complains_of_at_a_prompt_is_judged_as_without_one(prompt: str) -> None:
    said = "error: cannot read quux\nfrob: failed to open quux\nerror: no frob\n"
    alone = diagnosed(said).outcome
    assert alone is Outcome.DEGRADED
    assert diagnosed(f"{prompt} frob --quux\n{said}").outcome is alone


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_beside_the_kernel_shows_that_it_is_up(prompt: str) -> None:
    assert diagnosed(f"[    5.812210] quux: frob is there\n{prompt} \n").outcome is Outcome.BOOT_OK
