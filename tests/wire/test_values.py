"""Lists of values: what is found without decoding them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.model.value import HandleValue, Reference
from resolver.wire.values import ValueList, all_public, is_plain


@pytest.mark.parametrize(
    ("indexes", "unfit"),
    [
        ((), None),
        ((1,), None),
        ((1, 2, 100), None),
        ((100, 2, 1), None),
        ((1, 256, 65536, 2**31 - 1), None),
        ((1, 2, 2), 2),
        ((7, 3, 7), 7),
        ((0, 1), 0),
        ((1, 0), 0),
        ((1, 2, -1), -1),
        ((-5,), -5),
    ],
)
def test_unfit_index(indexes: tuple[int, ...], unfit: int | None) -> None:
    values = ValueList.of([HandleValue(index, "URL", b"x") for index in indexes])
    assert values.unfit_index() == unfit
    assert values.indexes() == list(indexes)


@pytest.mark.parametrize("indexes", [(), (1,), (1, 2, 9), (2**31 - 1,)])
def test_plain(indexes: tuple[int, ...]) -> None:
    octets = ValueList.of([HandleValue(index, "URL", b"x") for index in indexes]).octets
    assert is_plain(octets)
    assert not is_plain(octets + b"\0")
    assert not is_plain(octets[:-1])


@pytest.mark.parametrize(
    "values",
    [
        [HandleValue(1, "URL", b"x", references=(Reference("1/a", 1),))],
        *(
            [HandleValue(index, "URL", b"x") for index in indexes]
            for indexes in ((0,), (-1,), (1, 1), (2, 1), (1, -1), range(1, 2050))
        ),
    ],
)
def test_not_plain(values: list[HandleValue]) -> None:
    assert not is_plain(ValueList.of(values).octets)


def test_rubbish_is_not_plain() -> None:
    for octets in (b"", b"\0\0\0\1", b"\0\0\0\1" + b"\xff" * 30, bytes(3) + b"\1" + bytes(26)):
        assert not is_plain(octets)


def test_stamped() -> None:
    values = ValueList.of([HandleValue(index, "URL", b"x", timestamp=5) for index in (3, 1)])
    stamped = values.stamped(1_700_000_000)
    assert [value.timestamp for value in stamped] == [1_700_000_000] * 2
    assert [value.index for value in stamped] == [3, 1]
    assert [value.timestamp for value in values] == [5, 5]


@given(
    st.lists(
        st.builds(
            HandleValue,
            index=st.integers(1, 9),
            type=st.text(max_size=3),
            data=st.binary(max_size=4),
            permissions=st.integers(0, 15),
            references=st.lists(st.builds(Reference, st.text(max_size=3), st.integers(1, 9))).map(
                tuple
            ),
        ),
        max_size=5,
    )
)
def test_all_public(listed: list[HandleValue]) -> None:
    values = ValueList.of(listed)
    assert all_public(values.octets) is not values.restricted
