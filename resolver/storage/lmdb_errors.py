"""What LMDB's errors mean for the operator of a store."""

import errno
from typing import Final

import lmdb

_REASONS: Final[tuple[tuple[type[lmdb.Error], str], ...]] = (
    (lmdb.DiskError, "the disk is full; free some space, nothing was changed"),
    (lmdb.InvalidError, "this is not a record store; move the file away or import it again"),
    (lmdb.VersionMismatchError, "the file was written by an incompatible version of LMDB"),
    (lmdb.CorruptedError, "the file is damaged; restore it or import the records again"),
    (lmdb.PageNotFoundError, "the file is damaged; restore it or import the records again"),
    (lmdb.PanicError, "an earlier write failed half-way; restart the node"),
    (lmdb.ReadonlyError, "the file or its folder cannot be read and written by this user"),
    (lmdb.ReadersFullError, "too many processes read this store"),
    (lmdb.LockError, "its lock file cannot be used"),
)

_SYSTEM_REASONS: Final = {
    errno.EPERM: "the file or its folder cannot be read and written by this user",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full; free some space, nothing was changed",
    errno.EDQUOT: "the disk quota is used up; nothing was changed",
    errno.EFBIG: "the file may not grow further; nothing was changed",
    # LMDB reports a write cut short by a full disk as an I/O error.
    errno.EIO: "the disk is full or failing; nothing was changed",
    errno.EISDIR: "this is a folder, not a record store",
    errno.ENOTDIR: "a part of the path is not a folder",
    errno.ENOMEM: "there is not enough address space to map it",
    errno.EMFILE: "this process has too many open files",
}


def reason_of(error: lmdb.Error) -> str:
    """Why, in a sentence for people, and what to do."""
    reason = next((text for kind, text in _REASONS if isinstance(error, kind)), None)
    return reason or _SYSTEM_REASONS.get(error.code, str(error))
