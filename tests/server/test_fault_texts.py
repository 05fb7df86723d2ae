"""Faults as people write them, and as they go over the control plane."""

import pytest

from resolver.model.errors import ConfigError, RefusedError
from resolver.server.fault_texts import (
    Fault,
    fault_from,
    fault_from_document,
    fault_to_document,
)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["delay=50ms"], Fault(delay_s=0.05)),
        (["delay=10ms-90ms"], Fault(delay_s=0.01, delay_to_s=0.09)),
        (["error=3"], Fault(outcome="error", code=3)),
        (["error=Server_Busy"], Fault(outcome="error", code=3)),
        (["drop=5%"], Fault(outcome="drop", chance=0.05)),
        (["drop"], Fault(outcome="drop")),
        (["garbage", "chance=12.5%"], Fault(outcome="garbage", chance=0.125)),
        (["delay=1s", "hang"], Fault(delay_s=1.0, outcome="hang")),
        (["stop"], Fault(outcome="stop")),
        (["disk=200ms"], Fault(disk_s=0.2)),
    ],
)
def test_what_is_written_is_what_is_meant(words: list[str], fault: Fault):
    assert fault_from(words) == fault
    assert fault_from_document(fault_to_document(fault)) == fault
    assert fault_from(str(fault).split()) == fault


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "say what shall go wrong"),
        (["slow"], "'slow' is no fault"),
        (["delay=50"], "'50' is no duration"),
        (["delay=2h"], "between 0 and 3600 seconds"),
        (["error=1"], "no response code of an error; known: error"),
        (["error=busy"], "'busy' is no response code"),
        (["drop=0%"], "no chance like 5%"),
        (["drop=0.05"], "no chance like 5%"),
        (["drop", "hang"], "one outcome"),
        (["stop=5%"], "is no fault"),
        (["stop", "chance=5%"], "stopped for everybody"),
    ],
)
def test_what_is_no_fault_is_refused_with_a_reason(words: list[str], reason: str):
    with pytest.raises(ConfigError, match=reason):
        fault_from(words)


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"outcome": "burn"},
        {"outcome": "error", "code": "3"},
        {"delay_s": "1"},
        {"delay_s": float("nan")},
        {"delay_s": -1.0},
        {"outcome": "drop", "chance": 0},
        {"outcome": "drop", "chance": True},
        {"outcome": "drop", "match": "x" * 5000},
        {"outcome": "drop", "number": 1},
    ],
)
def test_what_comes_over_the_control_plane_is_checked(document: object):
    with pytest.raises(RefusedError):
        fault_from_document(document)
