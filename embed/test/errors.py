"""What is wrong is said: python errors.py capture.json"""

import copy
import json
import re
import sys
from pathlib import Path

import vproc

text = Path(sys.argv[1]).read_text()
capture = vproc.load_capture(text)
errors = 0


def fails(action, code, errno, message):
    global errors
    try:
        action()
    except vproc.VprocError as error:
        assert (error.code, error.errno) == (code, errno), (error.code, error.errno, error)
        assert re.search(message, str(error)), error
        errors += 1
    else:
        raise AssertionError(f"no {code}")


def changed(change):
    value = json.loads(text)
    change(value)
    return lambda: vproc.load_capture(json.dumps(value))


def put(value, *place):
    def change(into):
        for key in place[:-1]:
            into = into[key]
        into[place[-1]] = value

    return changed(change)


def found(reading):
    return put([reading], "records", 0, "found")


malformed = ("malformed-capture", 22)
fails(lambda: vproc.load_capture(text[:900]), *malformed, "not a capture: it is not JSON")
fails(lambda: vproc.load_capture("[]"), *malformed, "no `vproc-capture`")
fails(lambda: vproc.load_capture(b"\xff"), *malformed, "it is not JSON")
fails(put(2, "vproc-capture"), "capture-too-new", 22, "format 2, .* up to format 1")
fails(put(-1, "now"), *malformed, "`now` is no number")
fails(put(True, "now"), *malformed, "`now` is no number")
fails(put("4k", "environment", "page_size"), *malformed, "environment.page_size")
fails(put([["cpus"]], "environment", "settings"), *malformed, "no knob and value")
fails(put("cgroup3:", "records", 2, "source"), *malformed, r"`records\[2\].source`")
fails(found({"level": 1}), *malformed, r"`records\[0\].found\[0\]` has neither `text`")
fails(found({"text": "\ud800"}), *malformed, "is no text")
fails(found({"base64": "?"}), *malformed, "is not base64")
fails(found({"tasks": None}), *malformed, "tasks.total")

fails(lambda: vproc.render(capture, "/proc/nothing"), "unsupported-path", 2, "does not serve")
fails(lambda: vproc.render(capture, "/proc/kmsg"), "denied", 13, "^/proc/kmsg: .* denies it")
fails(
    lambda: vproc.render(capture, "/proc/meminfo", settings={"cpus": "all"}),
    *("rejected-setting", 22),
    "`cpus`: `all`",
)
fails(lambda: vproc.render(capture, "/proc/crypto"), "not-recorded", 61, "host:/proc/crypto")

less = copy.deepcopy(capture)
less.records["host:/proc/meminfo"] = [vproc.Reading(vproc.Absent(13))]
fails(lambda: vproc.render(less, "/proc/meminfo"), "missing-input", 5, "which could not be read")
more = copy.deepcopy(capture)
more.records["host:/proc/meminfo"] = [vproc.Reading("nonsense")]
fails(lambda: vproc.render(more, "/proc/meminfo"), "malformed-input", 5, "not what the kernel prints")
fails(lambda: vproc.Policy(b"nonsense"), "not-a-policy", 8, "not a component")
fails(lambda: vproc.Policy(b"\0asm\x0d\0\1\0"), "not-a-policy", 8, "does not export `renderer`")

# What was changed is another capture, and a capture can be rendered again.
assert vproc.render(capture, "/proc/meminfo").text.startswith("MemTotal:         204800 kB\n")
print(errors, "errors as they should be")
