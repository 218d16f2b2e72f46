"""Why there is no text."""

import errno
from typing import Any

_ERRNO = {
    "unsupported-path": errno.ENOENT,
    "denied": errno.EACCES,
    "missing-input": errno.EIO,
    "malformed-input": errno.EIO,
    "rejected-setting": errno.EINVAL,
    "malformed-capture": errno.EINVAL,
    "capture-too-new": errno.EINVAL,
    # Of Linux (`asm-generic`); other systems have other numbers for these two.
    "not-recorded": 61,
    "cannot-explain": 95,
    "not-a-policy": errno.ENOEXEC,
    "trapped": errno.EIO,
}


class VprocError(Exception):
    """Why there is no text.

    `code` says it for a program, `errno` is what a read of the file would fail
    with on Linux, and the message is one line for a person. `details` is what the
    contract says beside the code: a key, a line, a knob.
    """

    def __init__(self, code: str, message: str, path: str | None = None, details: object = None):
        super().__init__(message)
        self.code = code
        self.errno = _ERRNO.get(code, errno.EIO)
        self.path = path
        self.details = details


def refusal(code: str, value: object, path: str | None) -> VprocError:
    """The error for what a policy answered."""
    details = dict(vars(value)) if hasattr(value, "__dict__") else value
    of = "" if path is None else f"{path}: "
    return VprocError(code, of + _words(code, details), path, details)


def _words(code: str, details: Any) -> str:
    match code:
        case "unsupported-path":
            return "the policy does not serve it, or this container has no such number"
        case "denied":
            return "the policy or a setting denies it"
        case "missing-input":
            return f"it needs `{details}`, which could not be read"
        case "malformed-input":
            line = f", line {details['line']}" if details["line"] else ""
            return f"`{details['key']}` is not what the kernel prints{line}: {details['reason']}"
        case "rejected-setting":
            return f"the knob `{details['knob']}`: {details['reason']}"
    return code
