"""GS1 keys and their qualifiers: formats, check digits, order (GS1 General Specifications; GS1
Digital Link URI syntax 1.2). Used by gs1.py and gs1_epc.py; not a scheme itself.

Rule: a table row says all there is to know about an application identifier (AI). Attributes (dates,
weights, …) are not in the tables: they do not identify.
"""

import string
from typing import Final, NamedTuple

from resolver.schemes.scheme import Reader

CHARACTERS: Final = (
    "!\"%&'()*+,-./"
    + string.digits
    + ":;<=>?"
    + string.ascii_uppercase
    + "_"
    + string.ascii_lowercase
)
"""The 82 characters of alphanumeric values, in the order of their numbers."""

_SETS: Final = {
    "X": (CHARACTERS, "one of the 82 characters that GS1 allows"),
    "Y": (
        string.digits + string.ascii_uppercase + "-#/",
        "a digit, an upper-case letter, -, # or /",
    ),
    "N": (string.digits, "a digit"),
}


class Field(NamedTuple):
    """The format of one AI's value: digits, then characters of one set.

    Attributes:
        title: for people.
        digits: how many digits come first.
        checked: of those, how many end in a check digit (0: none).
        kind: set of the characters that follow: X, Y, N; nothing if none may.
        least, most: how many of them.
    """

    title: str
    digits: int = 0
    checked: int = 0
    kind: str = ""
    least: int = 0
    most: int = 0


GTIN: Final = "01"
GMN: Final = "8013"
_GTIN_LENGTHS: Final = (8, 12, 13, 14)

FIELDS: Final = {
    "00": Field("SSCC (logistic unit)", 18, 18),
    "01": Field("GTIN (trade item)", 14, 14),
    "253": Field("GDTI (document type)", 13, 13, "X", 0, 17),
    "255": Field("GCN (coupon)", 13, 13, "N", 0, 12),
    "401": Field("GINC (consignment)", kind="X", least=1, most=30),
    "402": Field("GSIN (shipment)", 17, 17),
    "414": Field("GLN (physical location)", 13, 13),
    "417": Field("GLN (party)", 13, 13),
    "8003": Field("GRAI (returnable asset)", 14, 14, "X", 0, 16),
    "8004": Field("GIAI (individual asset)", kind="X", least=1, most=30),
    "8006": Field("ITIP (piece of a trade item)", 18, 14),
    "8010": Field("CPID (component or part)", kind="Y", least=1, most=30),
    "8013": Field("GMN (model)", kind="X", least=3, most=25),
    "8017": Field("GSRN (service provider)", 18, 18),
    "8018": Field("GSRN (service recipient)", 18, 18),
    "10": Field("batch or lot", kind="X", least=1, most=20),
    "21": Field("serial number", kind="X", least=1, most=20),
    "22": Field("consumer product variant", kind="X", least=1, most=20),
    "235": Field("third-party serial number", kind="X", least=1, most=28),
    "254": Field("GLN extension", kind="X", least=1, most=20),
    "7040": Field("unique identification code", 1, 0, "X", 3, 3),
    "8011": Field("serial number of the part", kind="N", least=1, most=12),
    "8019": Field("service relation instance", kind="N", least=1, most=10),
}

_TRADE_ITEM: Final = (("22", "10", "21"), ("235",))
QUALIFIERS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "00": (), "01": _TRADE_ITEM, "253": (), "255": (), "401": (), "402": (),
    "414": (("254",), ("7040",)), "417": (("7040",),), "8003": (), "8004": (("7040",),),
    "8006": (("22", "10", "21"),), "8010": (("8011",),), "8013": (), "8017": (("8019",),),
    "8018": (("8019",),),
}  # fmt: skip
"""For each primary key, the qualifiers it may have, as alternatives, each in its order."""

SHORT_NAMES: Final = {
    "sscc": "00", "gtin": "01", "gdti": "253", "gcn": "255", "ginc": "401", "gsin": "402",
    "gln": "414", "party": "417", "grai": "8003", "giai": "8004", "itip": "8006", "cpid": "8010",
    "gmn": "8013", "gsrnp": "8017", "gsrn": "8018", "lot": "10", "ser": "21", "cpv": "22",
    "glnx": "254", "cpsn": "8011", "srin": "8019",
}  # fmt: skip
"""Names that older Digital Links use in place of the numbers."""


def check_value(reader: Reader, ai: str, value: str, at: int | None) -> str:
    """The value of ``ai``, which stands at ``at``, in its full form: a short GTIN gets its zeros.

    Raises:
        IdentifierRejected: a wrong length, character or check digit.
    """
    field = FIELDS[ai]
    name = field.title.partition(" (")[0]
    if ai == GTIN:
        if len(value) not in _GTIN_LENGTHS:
            raise reader.rejected(
                name, f"it has {len(value)} digits, and must have 8, 12, 13 or 14", at
            )
        value = reader.digits(name, value, at).zfill(field.digits)
    digits, extra = value[: field.digits], value[field.digits :]
    if field.digits:
        reader.digits(name, digits, at, field.digits, field.digits)
    if not field.least <= len(extra) <= field.most:
        raise reader.rejected(
            name, f"it has {len(value)} characters, and must have {_lengths(field)}", at
        )
    if extra:
        characters, what = _SETS[field.kind]
        reader.characters(name, extra, None if at is None else at + len(digits), characters, what)
    if field.checked:
        wanted = check_digit(digits[: field.checked - 1])
        found = digits[field.checked - 1]
        if found != wanted:
            raise reader.rejected(
                "check digit", f"the {name} ends in {found} instead of {wanted}", at
            )
    if ai == GMN and value[-2:] != gmn_check(value[:-2]):
        raise reader.rejected(
            "check characters",
            f"the GMN ends in {value[-2:]} instead of {gmn_check(value[:-2])}",
            at,
        )
    return value


def check_qualifiers(reader: Reader, key: str, qualifiers: tuple[str, ...]) -> None:
    """Hold the AIs that follow the primary key ``key`` to what it allows, in its order.

    Raises:
        IdentifierRejected: one does not belong to the key, or stands in the wrong place.
    """
    name = FIELDS[key].title
    for ai in qualifiers:
        if not any(ai in allowed for allowed in QUALIFIERS[key]):
            raise reader.rejected("qualifier", f"({ai}) does not belong to a {name}")
    for allowed in QUALIFIERS[key]:
        if tuple(ai for ai in allowed if ai in qualifiers) == qualifiers:
            return
    if qualifiers:
        orders = " or ".join(" ".join(f"({ai})" for ai in allowed) for allowed in QUALIFIERS[key])
        raise reader.rejected("qualifier", f"the order below a {name} is {orders}, each once")


def check_digit(digits: str) -> str:
    """The digit that follows ``digits`` (GS1 General Specifications §7.9: weights 3 and 1 from the
    right, modulo 10)."""
    total = sum(int(d) * (1 if n % 2 else 3) for n, d in enumerate(reversed(digits)))
    return str(-total % 10)


_PRIMES: Final = (
    2,
    3,
    5,
    7,
    11,
    13,
    17,
    19,
    23,
    29,
    31,
    37,
    41,
    43,
    47,
    53,
    59,
    61,
    67,
    71,
    73,
    79,
    83,
)
_CHECK_CHARACTERS: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def gmn_check(text: str) -> str:
    """The two characters that follow the first part of a GMN (GS1 General Specifications §7.9.5:
    primes as weights from the right, modulo 1021)."""
    total = sum(
        CHARACTERS.index(character) * weight
        for character, weight in zip(reversed(text), _PRIMES, strict=False)
    )
    high, low = divmod(total % 1021, 32)
    return _CHECK_CHARACTERS[high] + _CHECK_CHARACTERS[low]


def _lengths(field: Field) -> str:
    least, most = field.digits + field.least, field.digits + field.most
    return str(least) if least == most else f"{least} to {most}"
