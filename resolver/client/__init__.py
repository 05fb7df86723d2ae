"""The client library: resolve identifiers at a server, or by walking the tree from here.

::

    async with Client("127.0.0.1:3641") as client:
        record = await client.resolve("88.901.1/000001", types=("URL",))
"""

from resolver.client.client import DEFAULT_SERVER, Client, Options, Outcome
from resolver.client.errors import AliasLoop, NotFound, Referred, Refused, ResolutionError
from resolver.client.record import Record
from resolver.client.trace import Trace, trace

__all__ = [
    "DEFAULT_SERVER",
    "AliasLoop",
    "Client",
    "NotFound",
    "Options",
    "Outcome",
    "Record",
    "Referred",
    "Refused",
    "ResolutionError",
    "Trace",
    "trace",
]
