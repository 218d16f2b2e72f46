// Prints what `vprocctl explain --json --from CAPTURE /` prints, for a test that
// compares them: node explain.mjs capture.json

import { readFileSync } from "node:fs";
import { explain, list, loadCapture, render } from "@vproc/policy";

const capture = loadCapture(readFileSync(process.argv[2], "utf8"));
const files = list(capture).map(({ path }) => {
  const { text, fields } = explain(capture, path);
  if (text !== render(capture, path).text) throw new Error(`${path} is explained as another text`);
  return {
    path,
    text,
    fields: fields.map(({ label, line, provenance, printed, formula }) => ({
      label,
      line,
      provenance,
      printed,
      formula: formula?.text,
    })),
  };
});
console.log(JSON.stringify(files));
