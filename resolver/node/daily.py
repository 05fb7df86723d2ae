"""How often one client address may ask in a day (code 603 of the national system's clients)."""

from typing import Final

from resolver.storage import day_of

MAX_CLIENTS: Final = 100_000
"""Addresses that are told apart; those beyond count together."""

_OTHERS: Final = ""


class DailyRequests:
    """Requests by client address since midnight (in China, as days are counted there)."""

    def __init__(self, limit: int) -> None:
        """
        Args:
            limit: requests of one address in a day; 0 is no limit.
        """
        self.limit: Final = limit
        self._day = 0
        self._counts: dict[str, int] = {}

    def exceeded(self, host: str, unix_now: int) -> bool:
        """Count a request; whether it is one too many."""
        if not self.limit:
            return False
        day = day_of(unix_now)
        if day != self._day:
            self._day, self._counts = day, {}
        if host not in self._counts and len(self._counts) >= MAX_CLIENTS:
            host = _OTHERS
        count = self._counts[host] = self._counts.get(host, 0) + 1
        return count > self.limit
