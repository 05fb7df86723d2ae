"""Who somebody is: challenges, proofs of keys, sessions. Sans-IO."""

from resolver.security.challenges import Challenge, ChallengeTable
from resolver.security.proofs import KEY_TYPES, proves
from resolver.security.sessions import Session, SessionTable
from resolver.security.signatures import is_signed_by

__all__ = [
    "KEY_TYPES",
    "Challenge",
    "ChallengeTable",
    "Session",
    "SessionTable",
    "is_signed_by",
    "proves",
]
