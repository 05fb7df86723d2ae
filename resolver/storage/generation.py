"""A number in a small file that all processes map: the generation of a store's records.

Rule: whoever has committed a change of records sets it, before anybody is told that the change is
made. What was read at one generation holds good until the number is another one. It need not be on
disk: what is remembered of records does not outlive a process.
"""

import mmap
import os
from pathlib import Path
from struct import Struct
from typing import Final

from resolver.model.errors import StoreError

_NUMBER: Final = Struct("=Q")


class Generation:
    """The number, shared by all who open the file."""

    def __init__(self, path: Path, least: int) -> None:
        """
        Args:
            path: the file; made if it is missing.
            least: what the number is at least.

        Raises:
            StoreError: the file cannot be made or mapped.
        """
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if os.fstat(handle).st_size < _NUMBER.size:
                    os.ftruncate(handle, _NUMBER.size)
                self._map: Final = mmap.mmap(handle, _NUMBER.size)
            finally:
                os.close(handle)
        except OSError as error:
            raise StoreError(f"cannot open {path}: {error.strerror}") from error
        self._read: Final = _NUMBER.unpack_from
        self.set(least)

    def value(self) -> int:
        """The number now.

        Raises:
            StoreError: it was closed.
        """
        try:
            number: int = self._read(self._map)[0]
        except ValueError:
            raise StoreError("the store is closed") from None
        return number

    def set(self, number: int) -> None:
        """Let it be ``number``, if that is more than it is. (Two processes at once may leave the
        smaller one; it is another number than before all the same.)"""
        if number > self.value():
            _NUMBER.pack_into(self._map, 0, number)

    def close(self) -> None:
        """Unmap the file."""
        self._map.close()
