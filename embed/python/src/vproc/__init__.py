"""Renders the `/proc` that a Linux container should see, from a capture.

>>> capture = vproc.load_capture(open("box.json").read())
>>> vproc.render(capture, "/proc/uptime").text
"""

import builtins
from functools import cache
from importlib.resources import files

from ._capture import (
    Absent,
    Capture,
    Environment,
    Reading,
    TaskCounts,
    host_text,
    load_capture,
)
from ._errors import VprocError
from ._policy import Explanation, Field, Listed, Policy, Rendered, Settings

__all__ = [
    "Absent",
    "Capture",
    "Environment",
    "Explanation",
    "Field",
    "Listed",
    "Policy",
    "Reading",
    "Rendered",
    "Settings",
    "TaskCounts",
    "VprocError",
    "explain",
    "host_text",
    "list",
    "load_capture",
    "policy",
    "render",
]


@cache
def policy() -> Policy:
    """The policy that is built into vprocctl. Compiled by the first call."""
    return Policy(files(__name__).joinpath("policy.wasm").read_bytes())


# The names are those of the package for JavaScript.
def list(capture: Capture, *, settings: Settings = ()) -> builtins.list[Listed]:
    """The files that the container sees, as far as their inputs were recorded, but
    for those of its processes."""
    return policy().list(capture, settings=settings)


def render(
    capture: Capture,
    path: str,
    *,
    settings: Settings = (),
    state: bytes | None = None,
    clock: int | None = None,
) -> Rendered:
    """Renders a file. Raises a `VprocError` where a read would fail."""
    return policy().render(capture, path, settings=settings, state=state, clock=clock)


def explain(capture: Capture, path: str, *, settings: Settings = ()) -> Explanation:
    """Says of each number of a file where it comes from."""
    return policy().explain(capture, path, settings=settings)
