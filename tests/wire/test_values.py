"""Lists of values: what is found without decoding them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.model.value import HandleValue, Reference
from resolver.wire.values import ValueList, all_public


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
