"""The levels of a prefix, which a resolution goes down one by one, and where it ends."""

from resolver.model.codes import ResponseCode
from resolver.model.handle import MAX_LABELS
from resolver.resolution.process import Stop
from resolver.wire.answer import Answer
from resolver.wire.bodies import ErrorAnswer


def check_prefix(prefix: str) -> None:
    """Ends the plan if nobody can be asked about ``prefix`` level by level."""
    if not prefix:
        raise stop(ResponseCode.INVALID_HANDLE, "the prefix is empty")
    labels = prefix.split(".")
    if "" in labels:
        raise stop(ResponseCode.INVALID_HANDLE, f"the prefix {prefix} has an empty part")
    if len(labels) > MAX_LABELS:
        raise stop(
            ResponseCode.INVALID_HANDLE,
            f"the prefix has {len(labels)} parts, at most {MAX_LABELS} are looked for",
        )


def one_level_below(ancestor: str, prefix: str) -> str:
    """The ancestor-or-self of ``prefix`` that has one label more than ``ancestor``."""
    start = len(ancestor) + 1 if ancestor else 0
    end = prefix.find(".", start)
    return prefix if end < 0 else prefix[:end]


def stop(code: int, message: str) -> Stop:
    """The end of a plan, with a code and the reason."""
    return Stop(Answer(code, ErrorAnswer(message)))
