"""Renders files from captures, for a test that compares them with vprocctl:

    python render.py capture.json[,later.json...] /proc/meminfo ...

Prints, for each path, {"text": ...}, or {"base64": ...} for what is not text, or
{"error": ...}; and a single {"error": ...} where the policy refuses the settings
of the capture. Of several captures of one container, oldest first, the last is
printed, with the history of the others.
"""

import json
import sys
from base64 import b64encode
from pathlib import Path

import vproc


def main(captures, *paths):
    # What the last render of a file with history left, to hand in at its next.
    states = {}
    for file in captures.split(","):
        capture = vproc.load_capture(Path(file).read_bytes())
        answer = {path: attempt(capture, path, states) for path in paths}
    errors = [each["error"] for each in answer.values() if "error" in each]
    if len(errors) == len(paths) and errors[0]["tag"] == "rejected-setting":
        answer = {"error": errors[0]}
    print(json.dumps(answer))


def attempt(capture, path, states):
    try:
        rendered = vproc.render(capture, path, state=states.get(path))
    except vproc.VprocError as error:
        details = {} if error.details is None else {"val": error.details}
        return {"error": {"tag": error.code, **details}}
    states[path] = rendered.state
    answer = {"text": rendered.text}
    if rendered.text is None:
        answer = {"base64": b64encode(rendered.data).decode()}
    if rendered.state is not None:
        answer["state"] = b64encode(rendered.state).decode()
    return answer


main(*sys.argv[1:])
