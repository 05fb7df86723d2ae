"""What every scheme keeps to, run over all of them: a new scheme needs no new test for it."""

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resolver.model.errors import IdentifierError
from resolver.model.handle import MAX_HANDLE_OCTETS, fold
from resolver.model.identifier import Identifier, IdentifierRejected
from resolver.schemes import SCHEMES, Scheme, read

BY_NAME = {scheme.name: scheme for scheme in SCHEMES}
EXAMPLES = [(scheme, text) for scheme in SCHEMES for text in scheme.examples]
each_scheme = pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
each_example = pytest.mark.parametrize(("scheme", "text"), EXAMPLES)

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
NEARLY = st.one_of(
    ANY_TEXT,
    st.text("0123456789./:%()?#abcdMA 标", max_size=40),
    # Examples with one character changed, put in or taken away.
    st.tuples(
        st.sampled_from([text for _, text in EXAMPLES]),
        st.integers(0, 60),
        st.integers(0, 2),
        st.characters(exclude_categories=()),
    ).map(lambda t: t[0][: t[1]] + t[3] * (t[2] < 2) + t[0][t[1] + (t[2] > 0) :]),
)
AWKWARD = [
    "", "\0", "\ud800", "88.901.1/\udcff", "88.901.1/\0", "/", "//", ".", "..", "88", "88.", "88./",
    "0", "0.NA/", "did:", "did:vaa::", "did:vaa:a:", "did:bid::", "urn:oid:", "urn:epc:",
    "urn:epc:id:", "urn:epc:id:sgtin:", "urn:epc:id:sgtin:..", "(01)", "(01)()", "http://",
    "https:///01/", "https://x/01/%", "ecode:", "ecode:4", "MA.", "MA.156", "MA.156.", "２.９９９",
    "88.９０１.1/x", "2." + "9" * 2000,
]  # fmt: skip


@each_scheme
def test_a_scheme_has_a_name_a_title_and_examples(scheme: Scheme):
    assert re.fullmatch("[a-z0-9]+", scheme.name)
    assert scheme.title
    assert scheme.examples


def test_names_are_unique():
    assert len({scheme.name for scheme in SCHEMES}) == len(SCHEMES)


@each_example
def test_no_two_schemes_claim_one_text_but_for_handle_which_comes_last(scheme: Scheme, text: str):
    assert [s.name for s in SCHEMES[:-1] if s.recognises(text)] in ([scheme.name], [])
    assert SCHEMES[-1].name == "handle"


@each_example
def test_examples_are_read(scheme: Scheme, text: str):
    identifier = scheme.parse(text)
    assert identifier == read(text)
    assert identifier.scheme == scheme.name
    assert identifier.text == text
    assert identifier.parts
    check(identifier)


@each_scheme
@given(text=NEARLY)
def test_nothing_but_an_identifier_or_a_reason_comes_out(scheme: Scheme, text: str):
    parse_and_check(scheme, text)


@each_scheme
@pytest.mark.parametrize("text", AWKWARD, ids=lambda text: ascii(text[:20]))
def test_awkward_texts(scheme: Scheme, text: str):
    parse_and_check(scheme, text)


@given(text=NEARLY)
@example("hello")
def test_reading_gives_an_identifier_or_the_reason_of_each_scheme(text: str):
    outcome = outcome_of(read, text)
    if isinstance(outcome, Identifier):
        check(outcome)
    else:
        recognised = any(scheme.recognises(text) for scheme in SCHEMES)
        assert len(outcome.rejections) == 1 or not recognised


def test_a_text_that_nobody_recognises_names_every_scheme():
    with pytest.raises(IdentifierRejected) as caught:
        read("hello")
    assert [r.scheme for r in caught.value.rejections] == [scheme.name for scheme in SCHEMES]
    assert all(scheme.name in str(caught.value) for scheme in SCHEMES)


@each_scheme
@pytest.mark.parametrize("text", ["88.901.1/标", "88.901.1/x", "1.2.", "ecode:400000", "MA.156.1/"])
def test_the_length_limit_counts_octets(scheme: Scheme, text: str):
    def filled(octets: int) -> str:
        return text + "9" * (octets - len(text.encode()))

    parse_and_check(scheme, filled(MAX_HANDLE_OCTETS))
    with pytest.raises(IdentifierError, match="2048 octets"):
        scheme.parse(filled(MAX_HANDLE_OCTETS + 1))


def outcome_of(parse: Callable[[str], Identifier], text: str) -> Identifier | IdentifierRejected:
    """What ``parse`` makes of ``text``; any other exception goes up and fails the test."""
    try:
        return parse(text)
    except IdentifierRejected as rejected:
        str(rejected).encode()
        return rejected


def parse_and_check(scheme: Scheme, text: str) -> None:
    outcome = outcome_of(scheme.parse, text)
    if isinstance(outcome, Identifier):
        assert scheme.recognises(text)
        check(outcome)
        return
    (rejection,) = outcome.rejections
    assert rejection.scheme == scheme.name
    assert rejection.part
    assert rejection.reason
    assert rejection.position is None or 0 <= rejection.position <= len(text)


def check(identifier: Identifier) -> None:
    """What holds for everything that any scheme reads."""
    prefix, suffix, handle = identifier.prefix, identifier.suffix, identifier.handle
    assert handle == (f"0.NA/{prefix}" if suffix is None else f"{prefix}/{suffix}")
    assert "/" not in prefix
    assert suffix != ""
    assert len(handle.encode()) <= MAX_HANDLE_OCTETS
    again = BY_NAME[identifier.scheme].parse(identifier.normalised)
    assert again.normalised == identifier.normalised
    assert fold(again.handle) == fold(handle)
