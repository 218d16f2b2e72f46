"""Renders files from a capture, with a policy in Python:

    pip install -r requirements.txt
    python render.py policy.wasm capture.json[,later.json...] [/proc/meminfo ...]

Prints, for each path, {"text": ...}, or {"base64": ...} for what is not text,
or {"error": ...}; and a single {"error": ...} where the policy refuses the
settings of the capture. Of several captures of one container, oldest first, the
last is printed, with the history of the others.

How wasmtime maps the contract's values: a record is a `Record` whose
attributes have the names of the fields, hyphens included. A variant whose
cases have different Python types (`content`, `body`, any `option` or `result`
here) is the bare value of its case; any other (`source`, `error`) is a
`Variant` with a tag and a payload.
"""

import json
import sys
from base64 import b64decode, b64encode

from wasmtime import Engine, Store
from wasmtime.component import Component, Linker, Record, Variant


class Policy:
    """The two functions of the contract, in an instance that has no imports."""

    def __init__(self, file):
        engine = Engine()
        self.store = Store(engine)
        component = Component.from_file(engine, file)
        self.instance = Linker(engine).instantiate(self.store, component)
        self.renderer = self.instance.get_export_index(self.store, "vproc:policy/renderer@0.1.0")

    def call(self, name, *arguments):
        index = self.instance.get_export_index(self.store, name, self.renderer)
        answer = self.instance.get_func(self.store, index)(self.store, *arguments)
        if isinstance(answer, Variant):
            raise Refused(answer)
        return answer


class Refused(Exception):
    """The policy answered with an error of the contract."""

    def __init__(self, error):
        super().__init__(error.tag)
        self.error = {"tag": error.tag}
        if error.payload is not None:
            payload = error.payload
            self.error["val"] = vars(payload) if isinstance(payload, Record) else payload


def main(policy, captures, *paths):
    policy = Policy(policy)
    # What the last render of a file with history left, to hand in at its next.
    states = {}
    for file in captures.split(","):
        capture = read_capture(file)
        answer = attempt(lambda: render_all(policy, capture, paths, states))
    print(json.dumps(answer, indent=2))


def read_capture(file):
    with open(file, encoding="utf-8") as opened:
        capture = json.load(opened)
    environment = capture["environment"]
    settings = [record(setting) for setting in environment.get("settings", [])]
    return {**capture, "environment": record({**environment, "settings": settings})}


def render_all(policy, capture, paths, states):
    entries = policy.call("declare", capture["environment"]).entries
    needs = {entry.path: entry.needs for entry in entries}
    return {
        # A path that the policy does not serve needs nothing: it says so itself.
        path: attempt(lambda: render(policy, capture, path, needs.get(path, []), states))
        for path in paths or needs
    }


def render(policy, capture, path, needs, states):
    snapshot = record({
        "environment": capture["environment"],
        "now": capture["now"],
        "is_host": capture["is_host"],
        "state": states.get(path),
        "inputs": [input for need in needs for input in inputs(capture, path, need)],
    })
    rendered = policy.call("render", path, snapshot)
    states[path] = rendered.state
    is_text = isinstance(rendered.body, str)
    answer = {"text": rendered.body} if is_text else {"base64": base64(rendered.body)}
    if rendered.state is not None:
        answer["state"] = base64(rendered.state)
    return answer


def inputs(capture, path, need):
    """One input for each group, or other place, where the need was found."""
    # `from` is a keyword of Python.
    wanted = source_name(getattr(need, "from"))
    found = [each["found"] for each in capture["records"] if each["source"] == wanted]
    if not found:
        raise LookupError(f"{path} needs {wanted}, which was not recorded")
    return [
        record({
            "key": need.key,
            "level": reading.get("level", 0),
            "depth": reading.get("depth", 0),
            "content": content(reading),
        })
        for reading in found[0]
    ]


def source_name(source):
    """What a capture calls a source."""
    where = source.payload
    if source.tag == "cgroup":
        version = where.version.removeprefix("v")
        return f"cgroup{version}:{where.controller}/{where.name}@{where.scope}"
    if source.tag == "process":
        return f"process:{where.of}/{where.name}"
    return source.tag if where is None else f"{source.tag}:{where}"


def content(reading):
    if "text" in reading:
        return reading["text"]
    if "base64" in reading:
        return b64decode(reading["base64"])
    if "tasks" in reading:
        return record(reading["tasks"])
    return reading["errno"]


def record(fields):
    """A record: `page_size` in a capture, `page-size` in the contract."""
    made = Record()
    for name, value in fields.items():
        setattr(made, name.replace("_", "-"), value)
    return made


def base64(data):
    return b64encode(data).decode("ascii")


def attempt(action):
    try:
        return action()
    except Refused as refused:
        return {"error": refused.error}


if __name__ == "__main__":
    main(*sys.argv[1:])
