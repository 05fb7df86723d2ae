"""Who somebody is: challenges, and whether an answer to one proves a key. Sans-IO."""

from resolver.security.challenges import Challenge, ChallengeTable
from resolver.security.proofs import KEY_TYPES, proves

__all__ = ["KEY_TYPES", "Challenge", "ChallengeTable", "proves"]
