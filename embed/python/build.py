"""Builds the wheel: python build.py ROOT policy.wasm DIRECTORY

ROOT is the project's own directory; Python has what build-requirements.txt
names. `cargo xtask wheel` sees to both.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory


def main(root: Path, component: Path, directory: Path) -> None:
    with TemporaryDirectory() as temporary:
        stage = Path(temporary, "python")
        shutil.copytree(root / "embed/python", stage, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(component, stage / "src/vproc/policy.wasm")
        for licence in ("LICENSE-APACHE", "LICENSE-MIT"):
            shutil.copy(root / licence, stage)
        version = re.search(r'^version = "(.+)"$', (root / "Cargo.toml").read_text(), re.MULTILINE)
        project = stage / "pyproject.toml"
        project.write_text(project.read_text().replace('"0.0.0"', f'"{version[1]}"'))
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory.resolve()]
        subprocess.run(build, cwd=stage, check=True, stdout=subprocess.DEVNULL)


main(*map(Path, sys.argv[1:]))
