"""Paths in which a `*` stands for a number: `/sys/devices/system/cpu/cpu*`."""

import re
from functools import cache

# `PID_MAX_LIMIT` of the kernel.
_LAST_NUMBER = 4194304


def is_pattern(path: str) -> bool:
    return "*" in path


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile("(0|[1-9][0-9]{0,6})".join(map(re.escape, pattern.split("*"))))


def stands_for(pattern: str, name: str) -> bool:
    """Whether a name, or a path, is what a pattern stands for."""
    found = _expression(pattern).fullmatch(name)
    return found is not None and all(int(number) <= _LAST_NUMBER for number in found.groups())
