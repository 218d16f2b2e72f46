"""Prints what `vprocctl explain --json --from CAPTURE /` prints, as far as the
package has it, for a test that compares them: python explain.py capture.json
"""

import json
import sys
from pathlib import Path

import vproc

capture = vproc.load_capture(Path(sys.argv[1]).read_bytes())
files = []
for listed in vproc.list(capture):
    explained = vproc.explain(capture, listed.path)
    if explained.text != vproc.render(capture, listed.path).text:
        sys.exit(f"{listed.path} is explained as another text")
    fields = [vars(field) for field in explained.fields]
    files.append({"path": listed.path, "text": explained.text, "fields": fields})
print(json.dumps(files))
