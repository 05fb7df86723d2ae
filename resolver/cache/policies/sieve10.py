"""SIEVE whose hand turns back before it comes to the youngest tenth of the keys.

Not published; a tenth is what S3-FIFO leaves to new keys. When the hand of plain SIEVE comes near
the young end, it takes new keys almost as soon as they have come, and goes on so as long as it
finds one without a mark in so short a way. After what is asked for has changed, these are the keys
that will be asked for again, while those of the past stand behind the hand. Here no search
begins at a key before as many as a tenth of the cache have come after it.
"""

from collections.abc import Hashable

from resolver.cache.policies.sieve import Sieve


class Sieve10(Sieve):
    """Plain SIEVE but for where its hand turns."""

    __slots__ = ()

    def victim(self) -> Hashable:
        """Move the hand to the next key without a mark, from the oldest if it is too far on."""
        # In places, so that gaps count; they are few.
        ahead = len(self._ahead)
        if ahead * 10 <= ahead + len(self._passed):
            self._passed.take_over(self._ahead)
            self._turn()
        return super().victim()
