"""Text from elsewhere."""

from hypothesis import given
from hypothesis import strategies as st

from resolver.model.text import printable


def test_what_a_terminal_would_obey_is_escaped():
    assert printable("a\tb\x1b\x9b\u2028\udcff标") == "a\\tb\\x1b\\x9b\\u2028\\udcff标"


@given(st.text(st.characters(exclude_categories=())))
def test_every_stream_can_take_it_on_one_line(text: str):
    shown = printable(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1
