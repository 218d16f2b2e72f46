"""Captures: what a host found, as JSON. See `fixtures/README.md` of the project."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from typing import Any

from ._errors import VprocError

#: The newest format that this package reads.
FORMAT = 1

_SOURCE = re.compile(
    r"(?:tasks|(?:host|namespaced):/.*|cgroup[12]:[^/]*/.+@(?:leaf|nearest|lineage)|[a-z-]+(?::.*)?)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Absent:
    """What could not be read, with the errno of Linux."""

    errno: int


@dataclass(frozen=True)
class TaskCounts:
    """Counts over every task of the container."""

    total: int
    running: int
    blocked: int
    last_pid: int


@dataclass(frozen=True)
class Reading:
    """One thing that was read, or could not be."""

    content: str | bytes | TaskCounts | Absent
    #: Of a cgroup file: how far above the leaf the group is; else 0.
    level: int = 0
    #: Of a cgroup file: how far below the root the group is; else 0.
    depth: int = 0
    #: Of a cgroup file: the group's path. A policy does not see it.
    group: str | None = None


@dataclass(frozen=True)
class Environment:
    """What holds as long as the host runs, and its operator's settings."""

    page_size: int
    user_hz: int
    huge_page_size: int
    machine: str
    settings: tuple[tuple[str, str], ...] = ()


@dataclass
class Capture:
    """What a host found at a moment. Change a copy, and render again."""

    origin: dict[str, Any]
    environment: Environment
    #: `CLOCK_BOOTTIME` of the host, in nanoseconds.
    now: int
    #: Whether the subject is the host itself.
    is_host: bool
    #: By source: `host:/proc/stat`, `cgroup2:memory/memory.max@lineage`, …
    records: dict[str, list[Reading]] = field(repr=False)


def load_capture(text: str | bytes) -> Capture:
    """Reads a capture; raises a `VprocError` that says where it is wrong."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise _malformed(f"it is not JSON: {error}") from error
    version = value.get("vproc-capture") if isinstance(value, dict) else None
    if type(version) is not int:
        raise _malformed("it has no `vproc-capture`")
    if version > FORMAT:
        reason = f"a capture of format {version}, but this package reads up to format {FORMAT}"
        raise VprocError("capture-too-new", reason)
    if not isinstance(value.get("origin"), dict):
        raise _malformed("it has no `origin`")
    if not isinstance(value.get("environment"), dict):
        raise _malformed("it has no `environment`")
    if type(value.get("is_host")) is not bool:
        raise _malformed("`is_host` is neither true nor false")
    if not isinstance(value.get("records"), list):
        raise _malformed("it has no `records`")
    records: dict[str, list[Reading]] = {}
    for place, record in enumerate(value["records"]):
        source, found = _record(record, f"records[{place}]")
        records.setdefault(source, found)
    now = _number(value.get("now"), 64, "now")
    return Capture(value["origin"], _environment(value["environment"]), now, value["is_host"], records)


def _environment(value: dict[str, Any]) -> Environment:
    settings = value.get("settings", [])
    if not _is_text(value.get("machine")):
        raise _malformed("`environment.machine` is no text")
    if not isinstance(settings, list):
        raise _malformed("`environment.settings` is no list")
    pairs: list[tuple[str, str]] = []
    for place, setting in enumerate(settings):
        match setting:
            case {"knob": str(knob), "value": str(to)} if _is_text(knob) and _is_text(to):
                pairs.append((knob, to))
            case _:
                raise _malformed(f"`environment.settings[{place}]` is no knob and value")
    return Environment(
        _number(value.get("page_size"), 32, "environment.page_size"),
        _number(value.get("user_hz"), 32, "environment.user_hz"),
        _number(value.get("huge_page_size"), 64, "environment.huge_page_size"),
        value["machine"],
        tuple(pairs),
    )


def _record(value: Any, at: str) -> tuple[str, list[Reading]]:
    source = value.get("source") if isinstance(value, dict) else None
    if not isinstance(source, str) or not _SOURCE.fullmatch(source):
        raise _malformed(f"`{at}.source` is not the name of a source")
    if not isinstance(value.get("found"), list):
        raise _malformed(f"`{at}` has no `found`")
    return source, [_reading(each, f"{at}.found[{n}]") for n, each in enumerate(value["found"])]


def _reading(value: Any, at: str) -> Reading:
    if not isinstance(value, dict):
        raise _malformed(f"`{at}` is no reading")
    return Reading(
        _content(value, at),
        _number(value.get("level", 0), 32, f"{at}.level"),
        _number(value.get("depth", 0), 32, f"{at}.depth"),
        value["group"] if _is_text(value.get("group")) else None,
    )


def _content(value: dict[str, Any], at: str) -> str | bytes | TaskCounts | Absent:
    if "text" in value:
        text = value["text"]
        if not isinstance(text, str) or not _is_text(text):
            raise _malformed(f"`{at}.text` is no text")
        return text
    if "base64" in value:
        try:
            return b64decode(value["base64"], validate=True)
        except (Base64Error, TypeError, ValueError) as error:
            raise _malformed(f"`{at}.base64` is not base64") from error
    if "errno" in value:
        return Absent(_number(value["errno"], 32, f"{at}.errno"))
    if "tasks" in value:
        tasks = value["tasks"] if isinstance(value["tasks"], dict) else {}
        names = ("total", "running", "blocked", "last_pid")
        return TaskCounts(*(_number(tasks.get(n), 32, f"{at}.tasks.{n}") for n in names))
    raise _malformed(f"`{at}` has neither `text` nor `base64`, `tasks` or `errno`")


def _number(value: Any, bits: int, at: str) -> int:
    if type(value) is int and 0 <= value < 1 << bits:
        return value
    raise _malformed(f"`{at}` is no number from 0 to {(1 << bits) - 1}")


def _is_text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False  # a lone surrogate
    return True


def _malformed(reason: str) -> VprocError:
    return VprocError("malformed-capture", f"not a capture: {reason}")


def host_text(capture: Capture, path: str) -> str | None:
    """The host's own text of a file, if it was recorded."""
    found = capture.records.get(f"host:{path}")
    content = found[0].content if found else None
    return content if isinstance(content, str) else None
