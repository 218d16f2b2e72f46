"""Runs a WASI component in Python, with wasmtime:

    pip install wasmtime
    python run.py guest.wasm [--dir HOST::GUEST]... [--env NAME=VALUE]... [ARGUMENT...]

Standard streams are Python's own. The exit code is the guest's, or 134 where it
traps.
"""

import argparse
import sys

from wasmtime import Engine, ExitTrap, Store, WasiConfig, WasmtimeError
from wasmtime.component import Component, Linker

parser = argparse.ArgumentParser()
parser.add_argument("component")
parser.add_argument("--dir", action="append", default=[], metavar="HOST::GUEST")
parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
parser.add_argument("arguments", nargs=argparse.REMAINDER)
given = parser.parse_args()

wasi = WasiConfig()
wasi.inherit_stdin()
wasi.inherit_stdout()
wasi.inherit_stderr()
wasi.argv = [given.component, *given.arguments]
wasi.env = [variable.split("=", 1) for variable in given.env]
for directory in given.dir:
    host, guest = directory.split("::", 1)
    wasi.preopen_dir(host, guest)

engine = Engine()
store = Store(engine)
store.set_wasi(wasi)
linker = Linker(engine)
linker.add_wasip2()
instance = linker.instantiate(store, Component.from_file(engine, given.component))
names = (f"wasi:cli/run@0.2.{patch}" for patch in range(100))
interface = next(filter(None, (instance.get_export_index(store, name) for name in names)))
run = instance.get_func(store, instance.get_export_index(store, "run", interface))
try:
    answer = run(store)
except ExitTrap as exit:
    sys.exit(exit.code)
except WasmtimeError as error:
    print(error, file=sys.stderr)
    sys.exit(134)
sys.exit(0 if answer.tag == "ok" else 1)
