"""A policy, and the host's side of the contract `vproc:policy`.

How wasmtime maps the contract's values: a record is a `Record` whose attributes
have the names of the fields, hyphens included. A variant whose cases have
different Python types (`content`, `body`, any `option` or `result` here) is the
bare value of its case; any other (`source`, `error`) is a `Variant` with a tag
and a payload.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wasmtime import Engine, Store, Trap, WasmtimeError
from wasmtime.component import Component, Linker, Record, Variant

from ._capture import Absent, Capture, Environment, Reading, TaskCounts
from ._errors import VprocError, refusal
from ._pattern import is_pattern, stands_for

#: Knobs, after those of the capture; the last setting of one counts.
Settings = Mapping[str, "str | int"] | Iterable[tuple[str, "str | int"]]

_RENDERER = "vproc:policy/renderer@0.2.0"
_EXPLAINER = "vproc:policy/explainer@0.2.0"

_ENOENT = 2


@dataclass(frozen=True)
class Rendered:
    """A file: its text, or bytes where it is not UTF-8."""

    text: str | None
    data: bytes
    #: For the next render, from a file that has a history (`/proc/loadavg`).
    state: bytes | None


@dataclass(frozen=True)
class Listed:
    """A file that the container sees."""

    #: With all numbers in place.
    path: str
    #: As the policy declares it: `/sys/devices/system/cpu/cpu*`.
    pattern: str
    kind: str
    mode: int
    #: Where its numbers come from: `virtual`, `filtered`, `passed`, …
    treatment: str
    summary: str
    reason: str


@dataclass(frozen=True)
class Field:
    """A number in a text, or a line that has none of its own."""

    label: str
    column: str
    #: Counted from 1; 0 for what decides which lines there are.
    line: int
    #: What the file shows.
    printed: str
    #: `computed`, `clamped`, `filtered`, `passed` or `constant`.
    provenance: str
    reason: str
    #: The value's place in the steps, if the policy knows it.
    step: int | None


@dataclass(frozen=True)
class Explanation:
    """Where the numbers of a file come from."""

    text: str
    fields: list[Field]
    #: As the contract has them (`explainer.step`): operands before what they are used for.
    steps: list[Any]
    #: Keys of the inputs that were looked at.
    inputs: list[str]


class Policy:
    """A component of the world `vproc:policy/policy`."""

    def __init__(self, component: bytes):
        self._engine = Engine()
        try:
            self._component = Component(self._engine, component)
            self._linker = Linker(self._engine)
            # It needs no import. One that was built with a standard library has
            # some all the same; they end the call.
            self._linker.define_unknown_imports_as_traps(self._component)
        except WasmtimeError as error:
            raise VprocError("not-a-policy", f"not a component: {error}") from error
        if self._component.get_export_index(_RENDERER) is None:
            raise VprocError("not-a-policy", "the component does not export `renderer`")
        self._manifests: dict[Environment, builtins.list[Any]] = {}

    def list(self, capture: Capture, *, settings: Settings = ()) -> builtins.list[Listed]:
        """The files that the container sees, as far as they were recorded, but for
        those of its processes."""
        environment = _environment(capture, settings)
        entries = self._entries(environment)
        listed: dict[str, builtins.list[str]] = {}
        return [
            Listed(path, entry.path, entry.kind, entry.mode, _class(entry), entry.summary, entry.reason)
            for entry in entries
            if _is_shown(capture, entry)
            for path in self._paths(capture, entries, entry.path, listed, settings)
        ]

    def render(
        self,
        capture: Capture,
        path: str,
        *,
        settings: Settings = (),
        state: bytes | None = None,
        clock: int | None = None,
    ) -> Rendered:
        """Renders a file. Raises a `VprocError` where a read would fail."""
        snapshot = self._snapshot(capture, path, settings, state, clock)
        rendered = self._call(_RENDERER, "render", path, snapshot, of=path)
        if isinstance(rendered.body, str):
            return Rendered(rendered.body, rendered.body.encode(), rendered.state)
        return Rendered(None, rendered.body, rendered.state)

    def explain(self, capture: Capture, path: str, *, settings: Settings = ()) -> Explanation:
        """Says of each number of a file where it comes from."""
        snapshot = self._snapshot(capture, path, settings, None, None)
        explained = self._call(_EXPLAINER, "explain", path, snapshot, of=path)
        text = explained.text.encode()
        fields = [
            Field(
                field.label,
                field.column,
                field.line,
                text[field.start : field.end].decode(),
                field.provenance,
                field.reason,
                field.value,
            )
            for field in explained.fields
        ]
        return Explanation(explained.text, fields, explained.steps, explained.inputs)

    def _entries(self, environment: Environment) -> builtins.list[Any]:
        entries = self._manifests.get(environment)
        if entries is None:
            manifest = self._call(_RENDERER, "declare", _record(environment), of=None)
            if len(self._manifests) >= 16:
                self._manifests.clear()
            entries = self._manifests[environment] = manifest.entries
        return entries

    def _snapshot(
        self,
        capture: Capture,
        path: str,
        settings: Settings,
        state: bytes | None,
        clock: int | None,
    ) -> Record:
        environment = _environment(capture, settings)
        entries = self._entries(environment)
        own = [entry for entry in entries if entry.path == path]
        own += [each for each in entries if is_pattern(each.path) and stands_for(each.path, path)]
        return _fields({
            "environment": _record(environment),
            "now": capture.now if clock is None else clock,
            "is-host": capture.is_host,
            "state": state,
            # A path that the policy does not serve needs nothing: it says so itself.
            "inputs": _inputs(capture, own[0], path) if own else [],
        })

    def _call(self, interface: str, name: str, *arguments: Any, of: str | None) -> Any:
        """Calls a fresh instance: what was rendered for one container may linger
        in its memory."""
        store = Store(self._engine)
        exports = self._component.get_export_index(interface)
        if exports is None:
            raise VprocError("cannot-explain", "this policy cannot explain", of)
        try:
            instance = self._linker.instantiate(store, self._component)
            index = self._component.get_export_index(name, exports)
            function = None if index is None else instance.get_func(store, index)
            if function is None:
                raise VprocError("not-a-policy", f"the component has no `{name}`", of)
            answer = function(store, *arguments)
        except (Trap, WasmtimeError) as error:
            raise VprocError("trapped", f"{of or 'the policy'}: the policy failed: {error}", of) from error
        if isinstance(answer, Variant):
            raise refusal(answer.tag, answer.payload, of)
        return answer

    def _paths(
        self,
        capture: Capture,
        entries: builtins.list[Any],
        declared: str,
        listed: dict[str, builtins.list[str]],
        settings: Settings,
    ) -> builtins.list[str]:
        """The paths that a declared one stands for."""
        paths, above = [""], ""
        for own in declared.split("/")[1:]:
            if is_pattern(own):
                isdir = [e for e in entries if e.kind == "directory" and e.path == (above or "/")]
                for path in paths:
                    if path not in listed:
                        text = ""
                        # Where it was not recorded, nothing is known to be in it.
                        if isdir and all(_source(need) in capture.records for need in isdir[0].needs):
                            text = self.render(capture, path or "/", settings=settings).text or ""
                        listed[path] = text.split("\n")
                paths = [
                    f"{path}/{name}" for path in paths for name in listed[path] if stands_for(own, name)
                ]
            else:
                paths = [f"{path}/{own}" for path in paths]
            above += f"/{own}"
        return paths


def _class(entry: Any) -> str:
    return str(getattr(entry, "class"))  # a keyword of Python, as is `from`


def _is_shown(capture: Capture, entry: Any) -> bool:
    if entry.kind == "directory" or _class(entry) == "denied" or _is_of_processes(entry):
        return False
    found = [capture.records.get(_source(need)) for need in entry.needs]
    if any(readings is None for readings in found):
        return False
    contents = [[reading.content for reading in readings or []] for readings in found]
    # What is made from a file that the host does not have is not there either.
    if entry.needs and _class(entry) in ("passed", "filtered", "constant"):
        is_file = getattr(entry.needs[0], "from").tag in ("host", "namespaced")
        if is_file and Absent(_ENOENT) in contents[0]:
            return False
    is_binary = any(len(each) == 1 and isinstance(each[0], bytes) for each in contents)
    return not (_class(entry) == "passed" and is_binary)


def _is_of_processes(entry: Any) -> bool:
    """Whether an entry tells of single processes, or of who asks. Captures have
    such files only where somebody named them."""
    sources = [getattr(need, "from") for need in entry.needs]
    return entry.path.startswith("/proc/*/") or any(
        source.tag == "processes"
        or (source.tag == "process" and source.payload.of in ("path", "reader"))
        for source in sources
    )


def _inputs(capture: Capture, entry: Any, path: str) -> builtins.list[Record]:
    """One input for each group, or other place, where a need was found."""
    inputs = []
    for need in entry.needs:
        source = _source(need)
        if source not in capture.records:
            message = f"{entry.path} needs {source}, which was not recorded"
            raise VprocError("not-recorded", message, path, source)
        inputs += [_input(need.key, reading) for reading in capture.records[source]]
    return inputs


def _source(need: Any) -> str:
    """What a capture calls the source of a need: `cgroup2:memory/memory.max@lineage`."""
    source = getattr(need, "from")
    where = source.payload
    if source.tag == "cgroup":
        return f"cgroup{where.version[1:]}:{where.controller}/{where.name}@{where.scope}"
    if source.tag == "process":
        return f"process:{where.of}/{where.name}"
    return source.tag if where is None else f"{source.tag}:{where}"


def _input(key: str, reading: Reading) -> Record:
    content: Any = reading.content
    if isinstance(content, Absent):
        content = content.errno
    elif isinstance(content, TaskCounts):
        content = _record(content)
    return _fields({"key": key, "level": reading.level, "depth": reading.depth, "content": content})


def _environment(capture: Capture, settings: Settings) -> Environment:
    """The capture's environment with more settings."""
    pairs = settings.items() if isinstance(settings, Mapping) else settings
    own = capture.environment
    more = tuple((knob, str(value)) for knob, value in pairs)
    return Environment(
        own.page_size, own.user_hz, own.huge_page_size, own.machine, own.settings + more
    )


def _record(value: Environment | TaskCounts) -> Record:
    """A record: `page_size` here is `page-size` in the contract."""
    fields = {name.replace("_", "-"): field for name, field in vars(value).items()}
    if isinstance(value, Environment):
        fields["settings"] = [_fields({"knob": knob, "value": set_to}) for knob, set_to in value.settings]
    return _fields(fields)


def _fields(fields: dict[str, Any]) -> Record:
    made = Record()
    for name, value in fields.items():
        setattr(made, name, value)
    return made
