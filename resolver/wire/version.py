"""Protocol versions (docs/protocol.md §6)."""

from typing import Final

from resolver.model.codes import ResponseCode

Version = tuple[int, int]

CURRENT: Final[Version] = (2, 11)
"""The newest version spoken here, and what every reply suggests."""

OLDEST: Final[Version] = (1, 0)

_KNOWN: Final = {(2, minor): (2, minor) for minor in range(12)}


def version_of(major: int, minor: int) -> Version:
    """A version; of those in use, the same object for every message."""
    version = (major, minor)
    return _KNOWN.get(version, version)


def reply_version(suggested: Version) -> Version:
    """The version to answer a client in that suggests ``suggested``: that one, at most 2.11; a
    version of another age than 1–3 counts as very old."""
    if suggested[0] > 3 or suggested < OLDEST:
        return OLDEST
    return min(suggested, CURRENT)


_NEW_CODES_SINCE: Final[Version] = (2, 5)
_OLD_CODES: Final[dict[int, int]] = {
    ResponseCode.SERVER_BACKUP: ResponseCode.PREFIX_REFERRAL,
    ResponseCode.INVALID_VALUE: ResponseCode.VALUE_EXISTS,
}


def code_for(code: int, version: Version) -> int:
    """The response code to send to a client of ``version`` for ``code``: some are younger than
    2.5, and older clients know another one in their place."""
    if version >= _NEW_CODES_SINCE:
        return code
    return _OLD_CODES.get(code, code)
