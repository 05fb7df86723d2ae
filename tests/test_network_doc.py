"""docs/network.md tells the ports and settings that the program has."""

import importlib.util
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "network.md"


def test_the_generated_parts_are_up_to_date():
    where = PAGE.with_name("network_reference.py")
    spec = importlib.util.spec_from_file_location("network_reference", where)
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    text = PAGE.read_text(encoding="utf-8")
    assert reference.page(text) == text, "run: make docs"


def test_the_reference_names_every_section():
    text = PAGE.read_text(encoding="utf-8")
    for section in ("[network]", "[cache]", "[limits]", "[[node]]", "[[secondary]]"):
        assert f"### `{section}`" in text
