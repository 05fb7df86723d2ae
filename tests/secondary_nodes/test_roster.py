"""The roster of secondary nodes, and its agreement with the default network's configuration."""

import tomllib
from pathlib import Path

import pytest

from secondary_nodes.industries import INDUSTRIES
from secondary_nodes.roster import ROSTER, industry_of

CONFIG = Path(__file__).parents[2] / "config" / "wuhan.toml"


def test_the_roster_is_twelve_nodes_and_a_hundred_enterprises() -> None:
    assert [node.prefix for node in ROSTER] == [f"88.{number}" for number in range(901, 913)]
    assert sum(node.enterprises for node in ROSTER) == 100
    assert {node.name for node in ROSTER} == set(INDUSTRIES)
    assert ROSTER[0].enterprise_prefixes()[::8] == ("88.901.1", "88.901.9")


def test_every_title_says_that_it_is_fictional() -> None:
    assert all(node.title.endswith("(fictional)") for node in ROSTER)
    assert ROSTER[0].title == "光通信 (fictional)"


def test_the_default_network_has_the_same_nodes() -> None:
    found = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["secondary"]
    listed = [(row["name"], row["title"], row["prefix"], row["enterprises"]) for row in found]
    assert listed == [(node.name, node.title, node.prefix, node.enterprises) for node in ROSTER]


@pytest.mark.parametrize(
    ("prefix", "industry"),
    [
        ("88.901", "optics"),
        ("88.901.1", "optics"),
        ("88.911.8.2", "food"),
        ("88.9011", "general"),
        ("88", "general"),
        ("10.1000", "general"),
    ],
)
def test_the_industry_of_a_prefix(prefix: str, industry: str) -> None:
    assert industry_of(prefix) is INDUSTRIES[industry]


def test_every_industry_has_words_to_vary() -> None:
    for industry in INDUSTRIES.values():
        assert len(industry.products) >= 4
        assert all(len(choices) >= 3 for _, choices in industry.attributes)
        assert len(industry.classification.split("/")) == 4
