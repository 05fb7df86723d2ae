"""What the single schemes read, what they refuse, and what they say about it."""

import pytest

from resolver.model.identifier import Identifier, IdentifierRejected
from resolver.schemes import read
from resolver.schemes.did import DidScheme
from resolver.schemes.ecode import EcodeScheme
from resolver.schemes.gs1 import Gs1Scheme
from resolver.schemes.gs1_keys import check_digit, gmn_check
from resolver.schemes.ma import MaScheme
from resolver.schemes.oid import OidScheme


def part(identifier: Identifier, name: str) -> str:
    return dict(identifier.parts)[name]


@pytest.mark.parametrize(
    ("text", "scheme", "normalised", "handle"),
    [
        ("88.118.8/JXDY2106023", "vaa", "88.118.8/JXDY2106023", "88.118.8/JXDY2106023"),
        ("88.901.1/abc标é", "vaa", "88.901.1/ABC标é", "88.901.1/abc标é"),
        ("88.901.1/a/b c", "vaa", "88.901.1/A/B C", "88.901.1/a/b c"),
        ("88.901.1", "vaa", "88.901.1", "0.NA/88.901.1"),
        ("88", "vaa", "88", "0.NA/88"),
        ("86.122.2/x", "handle", "86.122.2/X", "86.122.2/x"),
        ("0.na/88.118", "handle", "0.NA/88.118", "0.na/88.118"),
        ("10.1045", "handle", "10.1045", "0.NA/10.1045"),
        ("0", "handle", "0", "0.NA/0"),
        ("20.500.12345/Ä", "handle", "20.500.12345/Ä", "20.500.12345/Ä"),
        ("prefix/suffix", "handle", "PREFIX/SUFFIX", "prefix/suffix"),
        ("1.2.156.3", "oid", "1.2.156.3", "88.912.1/1.2.156.3"),
        ("URN:OID:2.999", "oid", "2.999", "88.912.1/2.999"),
        ("Ecode:1000012345", "ecode", "ecode:1000012345", "88.912.2/1000012345"),
        ("ma.156.1/A/b/c", "ma", "MA.156.1/A/b/c", "88.912.4/MA.156.1/A/b/c"),
        ("did:cn:88.901.1", "did", "did:cn:88.901.1", "0.NA/88.901.1"),
        ("did:vaa:Rule1:88.901.1/a?b#c", "did", "did:vaa:Rule1:88.901.1/A?B#C", "88.901.1/a?b#c"),
        ("did:bid:byol:", "did", "did:bid:byol", "88.912.5/did:bid:byol"),
    ],
)
def test_readings(text: str, scheme: str, normalised: str, handle: str):
    identifier = read(text)
    assert (identifier.scheme, identifier.normalised, identifier.handle) == (
        scheme,
        normalised,
        handle,
    )


GTIN = "https://id.gs1.org/01/09506000134352"


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("https://id.gs1.org/gtin/09506000134352", GTIN),
        ("http://example.com/a/01/b/01/9506000134352/?linkType=x#f", GTIN),
        ("HTTPS://example.com/01/09506000134352?17=261231&s=1", GTIN),
        ("(01)09506000134352", GTIN),
        ("https://id.gs1.org/01/00012345678905", "https://id.gs1.org/01/00012345678905"),
        ("https://id.gs1.org/01/012345678905", "https://id.gs1.org/01/00012345678905"),
        ("https://id.gs1.org/01/96385074", "https://id.gs1.org/01/00000096385074"),
        (f"{GTIN}/lot/00/ser/a%2Fb", f"{GTIN}/10/00/21/a%2Fb"),
        ("(21)7(01)09506000134352(10)A(17)261231", f"{GTIN}/10/A/21/7"),
        ("(01)09506000134352(10)A(x)", f"{GTIN}/10/A%28x%29"),
        ("https://x/00/106141411234567897", "https://id.gs1.org/00/106141411234567897"),
        ("https://x/414/9521321000018/254/1", "https://id.gs1.org/414/9521321000018/254/1"),
        ("https://x/8003/09521141123454AB", "https://id.gs1.org/8003/09521141123454AB"),
        ("https://x/8004/95211411234", "https://id.gs1.org/8004/95211411234"),
        ("https://x/8013/1987654Ad4X4bL5ttr2310c2K", "https://id.gs1.org/8013/1987654Ad4X4bL5ttr2310c2K"),
        ("urn:epc:id:sgtin:0614141.112345.400", "https://id.gs1.org/01/10614141123459/21/400"),
        ("URN:EPC:id:sgtin:0614141.112345.a%2Fb.c", "https://id.gs1.org/01/10614141123459/21/a%2Fb.c"),
        ("urn:epc:id:upui:1234567.089456.51qIgY", "https://id.gs1.org/01/01234567894560/235/51qIgY"),
        ("urn:epc:id:sscc:0614141.1234567890", "https://id.gs1.org/00/106141412345678908"),
        ("urn:epc:id:sgln:0614141.12345.0", "https://id.gs1.org/414/0614141123452"),
        ("urn:epc:id:sgln:0614141.12345.400", "https://id.gs1.org/414/0614141123452/254/400"),
        ("urn:epc:id:pgln:061414112345.", "https://id.gs1.org/417/0614141123452"),
        ("urn:epc:id:grai:0614141.12345.400", "https://id.gs1.org/8003/00614141123452400"),
        ("urn:epc:id:giai:0614141.12345400", "https://id.gs1.org/8004/061414112345400"),
        ("urn:epc:id:gsrn:0614141.1234567890", "https://id.gs1.org/8018/061414112345678902"),
        ("urn:epc:id:gdti:0614141.12345.400", "https://id.gs1.org/253/0614141123452400"),
        ("urn:epc:id:gsin:0614141.123456789", "https://id.gs1.org/402/06141411234567890"),
        ("urn:epc:id:cpi:0614141.5PQ7%2FZ43.12345", "https://id.gs1.org/8010/06141415PQ7%2FZ43/8011/12345"),
    ],
)  # fmt: skip
def test_gs1_readings(text: str, normalised: str):
    identifier = read(text)
    assert identifier.scheme == "gs1"
    assert identifier.normalised == normalised
    assert identifier.handle == normalised.replace("https://id.gs1.org", "88.912.3")


@pytest.mark.parametrize(
    ("text", "part", "position", "reason"),
    [
        ("88.9012.x/1", "enterprise code", 8, "'x' is not a digit"),
        ("88.90/1", "industry code", 3, "it has 2 digits, and must have 3 to 5"),
        ("88.901.1.2/1", "prefix", 8, "more than three parts"),
        ("88.901.1/", "suffix", 8, "nothing follows the slash"),
        ("88.901.1/a\tb", "text", 10, "control character"),
        ("88.901.1/\udcff", "text", 9, "not UTF-8"),
        ("86..1/x", "prefix", 3, "empty"),
        ("86.1 2/x", "prefix", 4, "white space"),
        ("/x", "prefix", 0, "empty"),
        ("1.2.0156", "arc 3", 4, "leading zero"),
        ("1.40", "arc 2", 2, "above 39"),
        ("urn:oid:3.1", "arc 1", 8, "not 0, 1 or 2"),
        ("1.2.156.", "arc 4", 8, "0 digits"),
        ("ecode:0123", "version (V)", 6, "reserved for GS1"),
        ("ecode:9123", "version (V)", 6, "not one of 1 to 4"),
        ("ecode:10a00123", "number system (NSI)", 8, "'a' is not a digit"),
        ("ecode:10000", "number (MD)", 11, "0 digits"),
        ("ecode:300000a-b", "number (MD)", 13, "'-' is not a letter"),
        ("MA.15.1", "country", 3, "2 digits"),
        ("MA.156", "node 1", 6, "missing"),
        ("MA.156.1/", "category", 8, "nothing follows"),
        ("did:cn:88.100", "prefix", 13, "enterprise code is missing"),
        ("did:cn:baidu:00", "issuer code", 7, "'b' is not a digit"),
        ("did:cn:88.100.1#key-1", "text", 15, "DID URL"),
        ("DID:cn:88.100.1", "scheme", 0, "lower case"),
        ("did:web:example.com", "method", 4, "not cn, vaa or bid"),
        ("did:vaa:a-b:86.1/x", "contract", 9, "'-' is not a letter"),
        ("did:vaa:gxAcE6upFw6DNbG3rfngM3VxCN0", "identifier", 34, "base58"),
        ("did:vaa:abc", "identifier", 8, "3 characters"),
        ("did:bid:", "suffix", 8, "missing"),
        ("did:bid:xf214PmkhKndUcArDQPgD5J4fFVwqJFPt", "key type", 8, "not z, e or s"),
        ("did:bid:ef214PmkhKndUcArDQPgD5J4fFVwqJF0t", "suffix", 39, "base58"),
        ("did:bid:abcde:ef214PmkhKndUcArDQPgD5J4f", "chain code", 8, "5 characters"),
        ("https://id.gs1.org/01/09506000134353", "check digit", 22, "ends in 3 instead of 2"),
        ("https://id.gs1.org/01/0950600013435", "check digit", 22, "ends in 5"),
        ("https://id.gs1.org/01/095060001343", "check digit", 22, "ends in 3"),
        ("https://id.gs1.org/01/0950", "GTIN", 22, "8, 12, 13 or 14"),
        ("https://id.gs1.org/01/0950600013435A", "GTIN", 35, "'A' is not a digit"),
        ("https://id.gs1.org/8013/1987654Ad4X4bL5ttr2310c2L", "check characters", 24, "2K"),
        (GTIN + "/10/AB%C4", "batch or lot", None, "82 characters"),
        (GTIN + "/10/A%2", "path", 41, "hexadecimal"),
        (GTIN + "/21/1/10/A", "qualifier", None, "order"),
        (GTIN + "/254/1", "qualifier", None, "(254) does not belong"),
        (GTIN + "/nonsense/1", "path", 37, "neither a GS1 key nor a qualifier"),
        ("(10)A(21)1", "text", None, "0 GS1 keys"),
        ("urn:epc:tag:sgtin-96:1.0614141.112345.400", "kind", 8, "pure identities"),
        ("urn:epc:id:gid:95100000.12345.400", "EPC type", 11, "not one of"),
        ("urn:epc:id:sgtin:0614141.112345", "EPC", 17, "2 components instead of 3"),
        ("urn:epc:id:sgtin:06141.11234567.1", "company prefix", 17, "5 digits"),
        ("urn:epc:id:sgtin:0614141.11234.1", "reference", 25, "12 digits, and must have 13"),
        ("urn:epc:id:giai:0614141.1/2", "reference", 25, "without an escape"),
    ],
)  # fmt: skip
def test_reasons_name_the_part_the_place_and_the_rule(
    text: str, part: str, position: int | None, reason: str
):
    with pytest.raises(IdentifierRejected) as caught:
        read(text)
    (rejection,) = caught.value.rejections
    assert (rejection.part, rejection.position) == (part, position)
    assert reason in rejection.reason


def test_the_parts_explain_the_reading():
    assert read("88.118.8/JXDY2106023").parts == (
        ("issuer", "88"),
        ("industry", "118"),
        ("enterprise", "8"),
        ("suffix", "JXDY2106023"),
    )
    assert part(read("1.2.156.3.4"), "arc 3") == "156 (China)"
    assert part(read("1.2.156.3.4"), "arcs below") == "3.4"
    assert part(read("did:bid:zf214PmkhKndUcArDQPgD5J4fFVwqJFPt"), "key type") == "z (SM2)"
    assert part(read(GTIN + "?17=261231"), "attribute (17)") == "261231"


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        (OidScheme(gateway="88.999.1"), "2.999"),
        (EcodeScheme(gateway="88.999.1"), "ecode:1000012345"),
        (Gs1Scheme(gateway="88.999.1"), GTIN),
        (MaScheme(gateway="88.999.1"), "MA.156.1"),
        (DidScheme(gateway="88.999.1"), "did:bid:byol"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_an_assumed_mapping_says_so_and_can_be_moved(scheme, text: str):
    identifier = read(text, [scheme])
    assert identifier.prefix == "88.999.1"
    assert any("no mapping is published" in sentence for sentence in identifier.assumptions)


def test_known_mappings_need_no_assumption():
    for text in ("88.118.8/x", "86.122.2/x", "did:cn:88.100.1", "0.NA/88.118"):
        assert read(text).assumptions == ()


@pytest.mark.parametrize(
    "digits", ["0950600013435", "10614141234567890", "952132100001", "9638507"]
)
def test_one_wrong_digit_is_always_found(digits: str):
    right = check_digit(digits)
    for place, digit in enumerate(digits):
        for other in "0123456789":
            if other != digit:
                assert check_digit(digits[:place] + other + digits[place + 1 :]) != right


def test_the_check_characters_of_a_model_number():
    assert gmn_check("1987654Ad4X4bL5ttr2310c") == "2K"
