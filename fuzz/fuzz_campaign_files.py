"""Any bytes are what was told of a cell, a campaign's status, a laboratory's results, or an error.

Whatever is read can be shown, and what was told can be weighed.
"""

from __future__ import annotations

from bootwright.foundation.errors import BootwrightError
from bootwright.investigate.campaign.model import parse_status
from bootwright.investigate.campaign.told import observations_of, parse_told
from bootwright.lab.jobs.results import read_handed
from bootwright.report.campaign_text import in_short, lines


def one_input(data: bytes) -> None:
    """Read arbitrary bytes as each of them, and as the rest of a LAVA job's log."""
    try:
        answer = parse_told(data, "told.json")
    except BootwrightError:
        pass
    else:
        (observation,) = observations_of([answer])
        assert observation.source.word == answer.source
        assert observation.outcomes == answer.outcomes
    try:
        campaign = parse_status(data, "status.json")
    except BootwrightError:
        pass
    else:
        assert list(lines(campaign))
        assert list(in_short(campaign))
    for head in (b"", b'- {"dt": "x", "lvl": "target", "msg": "'):
        try:
            handed = read_handed(head + data, "console.log")
        except BootwrightError:
            continue
        assert handed.result is None or len(handed.result.tests) <= len(head + data)
        assert handed.console is not None or handed.result is not None or b"{" in data


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
