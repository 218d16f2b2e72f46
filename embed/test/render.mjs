// Renders files from captures, for the tests: what `tests/embedding.rs` compares
// with the embedded runtime.
//
//   node render.mjs capture.json[,later.json...] PATH...
//
// Prints, for each path, {"text": ...}, or {"base64": ...} for what is not text,
// or {"error": ...}; and a single {"error": ...} where the policy refuses the
// settings of the capture. Of several captures of one container, oldest first,
// the last is printed, with the history of the others.

import { readFileSync } from "node:fs";
import { loadCapture, manifest, render, VprocError } from "@vproc/policy";

const [captures, ...paths] = process.argv.slice(2);
const states = new Map();
let answer;
for (const file of captures.split(",")) {
  const capture = loadCapture(readFileSync(file, "utf8"));
  answer = attempt(() => {
    manifest(capture);
    return Object.fromEntries(paths.map((path) => [path, attempt(() => rendered(capture, path))]));
  });
}
console.log(JSON.stringify(answer, null, 2));

function rendered(capture, path) {
  const { text, bytes, state } = render(capture, path, { state: states.get(path) });
  states.set(path, state);
  const body = text === undefined ? { base64: base64(bytes) } : { text };
  return state === undefined ? body : { ...body, state: base64(state) };
}

function base64(bytes) {
  return Buffer.from(bytes).toString("base64");
}

/** An error of the contract as it has it. */
function attempt(action) {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof VprocError) || error.code === "trapped") throw error;
    const { code: tag, details: val } = error;
    return { error: val === undefined ? { tag } : { tag, val } };
  }
}
