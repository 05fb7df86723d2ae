"""The description of the HTTP API in OpenAPI 3.1: ``openapi.json``, beside this file.

It is written by hand, and true: tests hold it against the routes and against what a node answers.
"""

from functools import cache
from pathlib import Path


@cache
def description() -> bytes:
    """The document, as ``/api/openapi.json`` serves it."""
    return Path(__file__).with_name("openapi.json").read_bytes()
