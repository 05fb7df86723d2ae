"""Sizes and durations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.topology.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("64MiB", 64 << 20),
        ("1.5 KiB", 1536),
        (" 2GiB ", 2 << 30),
        ("10B", 10),
        ("10", 10),
        (10, 10),
        (0, 0),
    ],
)
def test_sizes(text: object, octets: int):
    assert parse_size(text) == octets


@pytest.mark.parametrize("value", ["", "MiB", "-1", "1MB", "1 mib", -1, 1.5, True, None, "1e3"])
def test_what_is_no_size(value: object):
    with pytest.raises(ValueError, match="is no size like 64MiB"):
        parse_size(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("5s", 5.0), ("1.5 m", 90.0), ("1h", 3600.0), ("2d", 172800.0), ("0", 0.0)],
)
def test_durations(text: str, seconds: float):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("value", ["", "s", "5", 5, "-5s", "5S", "5 parsecs", None, "1h30m"])
def test_what_is_no_duration(value: object):
    with pytest.raises(ValueError, match="is no duration like 30s or 1h"):
        parse_duration(value)


@given(st.integers(min_value=0, max_value=1 << 40), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_units_are_consistent(number: int, unit: str):
    assert parse_duration(f"{number}{unit}") == pytest.approx(number * parse_duration(f"1{unit}"))
