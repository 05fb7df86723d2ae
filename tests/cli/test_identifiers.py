"""``wuhan id explain``."""

import json

import pytest
from click.testing import CliRunner

from resolver.cli.identifiers import identifiers
from resolver.model.errors import IdentifierError


def run(*arguments: str):
    return CliRunner().invoke(identifiers, ["explain", *arguments])


def test_an_explanation_for_people():
    result = run("88.118.8/jxdy2106023")
    assert result.exit_code == 0
    assert result.output == (
        "88.118.8/jxdy2106023\n"
        "  scheme       VAA (industrial internet)\n"
        "  normalised   88.118.8/JXDY2106023\n"
        "  resolves as  88.118.8/jxdy2106023\n"
        "\n"
        "  issuer       88\n"
        "  industry     118\n"
        "  enterprise   8\n"
        "  suffix       jxdy2106023\n"
    )


def test_assumptions_are_said():
    assert "  assumed: OIDs are resolved as handles below" in run("1.2.156").output


def test_an_explanation_for_programs():
    document = json.loads(run("did:cn:88.100.1", "--json").output)
    assert document == {
        "text": "did:cn:88.100.1",
        "scheme": "did",
        "title": "DID (did:cn, did:vaa, did:bid)",
        "normalised": "did:cn:88.100.1",
        "prefix": "88.100.1",
        "suffix": None,
        "handle": "0.NA/88.100.1",
        "parts": [
            {"name": "method", "value": "cn"},
            {"name": "issuer", "value": "88"},
            {"name": "industry", "value": "100"},
            {"name": "enterprise", "value": "1"},
        ],
        "assumptions": [],
    }


@pytest.mark.parametrize("text", ["88.90/x", "hello", ""])
def test_what_nobody_reads_is_left_to_main_to_report(text: str):
    assert isinstance(run(text).exception, IdentifierError)
