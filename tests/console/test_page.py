"""The page's own files: the two languages agree, and nothing comes from elsewhere."""

import re
from pathlib import Path

import pytest

from resolver.console.guard import is_address
from resolver.console.pages import KINDS

STATIC = Path(__file__).parents[2] / "resolver" / "console" / "static"
FILES = sorted(STATIC.iterdir())


def text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def words() -> dict[str, set[str]]:
    found = {}
    for language, block in re.findall(
        r"^  (en|zh): \{\n(.*?)^  \},", text("words.js"), re.M | re.S
    ):
        found[language] = set(re.findall(r'(?:^ +|, )"?([\w-]+(?: \w+)?)"?: "', block, re.M))
    return found


def test_both_languages_have_the_same_words():
    found = words()
    assert set(found) == {"en", "zh"}
    assert len(found["en"]) > 80
    assert found["en"] == found["zh"]


def test_every_word_that_is_used_is_there():
    used = set(re.findall(r'data-(?:word|label)="(\w+)"', text("console.html")))
    for name in ("console.js", "forms.js", "recent.js", "tree.js"):
        used |= set(re.findall(r'word\("([\w -]+)"', text(name)))
        used |= set(re.findall(r'button\("(\w+)"', text(name)))
    assert used - words()["en"] == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_page_needs_nothing_from_elsewhere(file: Path):
    assert file.suffix[1:] in KINDS
    source = file.read_text(encoding="utf-8")
    allowed = r"https?://(?!www\.w3\.org/2000/svg|example\.com/|\$\{spec)"
    assert re.findall(rf"[\"'`(]{allowed}[^\"'`)]*", source) == []
    assert "innerHTML" not in source
    assert not re.search(r"\son\w+=\"", source)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:8000", True),
        ("127.0.0.1", True),
        ("[::1]:8000", True),
        ("[::1]", True),
        ("localhost:8000", True),
        ("wuhan.example:8000", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example:8000", False),
        ("", False),
    ],
)
def test_a_name_could_be_made_to_point_here(host: str, expected: bool):
    assert is_address(host) is expected
