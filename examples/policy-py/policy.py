"""A policy that shows a container how long it has run, and what runs in it now.

    /proc/uptime   since the container's process 1 started; no CPU was ever idle
    /proc/loadavg  what runs or waits for a disk now, not an average of it
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.renderer import (
    Body_Text, Class, Content_Absent, Content_Tasks, Content_Text, Entry, Environment,
    Error_MalformedInput, Error_MissingInput, Error_RejectedSetting, Error_UnsupportedPath,
    Input, Kind, Malformed, Manifest, Need, Process, ProcessFile, Rejected, Rendered, Snapshot,
    Source_Process, Source_Tasks,
)

UPTIME = Entry(
    path="/proc/uptime",
    kind=Kind.FILE,
    mode=0o444,
    class_=Class.VIRTUAL,
    summary="seconds since the container started",
    reason="field 22 of proc_pid_stat(5) of its process 1",
    # What the host reads before each render, under names of our own.
    needs=[Need("init", Source_Process(ProcessFile(Process.INIT, "stat")))],
    history=None,
    # Shown in place of the kernel's own file.
    covers=True,
)

LOADAVG = Entry(
    path="/proc/loadavg",
    kind=Kind.FILE,
    mode=0o444,
    class_=Class.VIRTUAL,
    summary="how many of the container's tasks run now",
    reason="tasks in the states R and D, as proc_loadavg(5) counts them",
    needs=[Need("tasks", Source_Tasks())],
    history=None,
    covers=True,
)


class Renderer(exports.Renderer):
    def declare(self, environment: Environment) -> Manifest:
        for setting in environment.settings:
            rejected = Rejected(setting.knob, "this policy has no knobs")
            raise Err(Error_RejectedSetting(rejected))
        return Manifest("since-start", "0.1.0", [UPTIME, LOADAVG], knobs=[])

    def render(self, path: str, snapshot: Snapshot) -> Rendered:
        if path == UPTIME.path:
            text = uptime(snapshot)
        elif path == LOADAVG.path:
            text = loadavg(snapshot)
        else:
            raise Err(Error_UnsupportedPath())
        return Rendered(Body_Text(text), state=None)


def uptime(snapshot: Snapshot) -> str:
    # A name in brackets, which may have blanks and brackets in it, is field 2.
    _, bracket, rest = text(snapshot.inputs, "init").rpartition(") ")
    fields = rest.split(" ")
    if not bracket or len(fields) < 20 or not fields[19].isdecimal():
        raise malformed("init", "it has no field 22, starttime")
    started = int(fields[19]) * 100 // snapshot.environment.user_hz
    now = snapshot.now // 10_000_000
    seconds, hundredths = divmod(max(now - started, 0), 100)
    return f"{seconds}.{hundredths:02} 0.00\n"


def loadavg(snapshot: Snapshot) -> str:
    content = found(snapshot.inputs, "tasks").content
    if not isinstance(content, Content_Tasks):
        raise malformed("tasks", "it is not a count of tasks")
    tasks = content.value
    load = tasks.running + tasks.blocked
    return f"{load}.00 {load}.00 {load}.00 {tasks.running}/{tasks.total} {tasks.last_pid}\n"


def text(inputs: list[Input], key: str) -> str:
    content = found(inputs, key).content
    if not isinstance(content, Content_Text):
        raise malformed(key, "it is not text")
    return content.value


def found(inputs: list[Input], key: str) -> Input:
    for input in inputs:
        if input.key == key and not isinstance(input.content, Content_Absent):
            return input
    raise Err(Error_MissingInput(key))


def malformed(key: str, reason: str) -> Err:
    return Err(Error_MalformedInput(Malformed(key, 1, reason)))
