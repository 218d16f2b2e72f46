// Renders files from a capture, with a policy in Node:
//
//   npm ci
//   node transpile.mjs policy.wasm policy
//   node render.mjs policy/policy.js capture.json[,later.json...] [/proc/meminfo ...]
//
// Only transpile.mjs needs a package. What it makes needs none: the policy
// imports nothing. Prints, for each path, {"text": ...}, or {"base64": ...} for
// what is not text, or {"error": ...}; and a single {"error": ...} where the
// policy refuses the settings of the capture. Of several captures of one
// container, oldest first, the last is printed, with the history of the others.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [policy, captures, ...paths] = process.argv.slice(2);
const { renderer } = await import(pathToFileURL(resolve(policy)));

/** What the last render of a file with history left, to hand in at its next. */
const states = new Map();
let answer;
for (const file of captures.split(",")) {
  const capture = readCapture(file);
  answer = attempt(() => renderAll(capture));
}
console.log(JSON.stringify(answer, null, 2));

function renderAll(capture) {
  const { entries } = renderer.declare(capture.environment);
  const needs = new Map(entries.map((entry) => [entry.path, entry.needs]));
  const wanted = paths.length > 0 ? paths : [...needs.keys()];
  return Object.fromEntries(
    // A path that the policy does not serve needs nothing: it says so itself.
    wanted.map((path) => [path, attempt(() => render(capture, path, needs.get(path) ?? []))]),
  );
}

function render(capture, path, needs) {
  const { body, state } = renderer.render(path, {
    environment: capture.environment,
    now: capture.now,
    isHost: capture.isHost,
    state: states.get(path),
    inputs: needs.flatMap((need) => inputs(capture, path, need)),
  });
  states.set(path, state);
  const rendered = body.tag === "text" ? { text: body.val } : { base64: base64(body.val) };
  return state === undefined ? rendered : { ...rendered, state: base64(state) };
}

/** One input for each group, or other place, where the need was found. */
function inputs(capture, path, need) {
  const wanted = sourceName(need.from);
  const record = capture.records.find(({ source }) => source === wanted);
  if (record === undefined) throw new Error(`${path} needs ${wanted}, which was not recorded`);
  return record.found.map((reading) => ({
    key: need.key,
    level: reading.level ?? 0,
    depth: reading.depth ?? 0,
    content: content(reading),
  }));
}

/** What a capture calls a source. */
function sourceName({ tag, val }) {
  if (tag === "cgroup") {
    const version = val.version.replace("v", "");
    return `cgroup${version}:${val.controller}/${val.name}@${val.scope}`;
  }
  if (tag === "process") return `process:${val.of}/${val.name}`;
  return val === undefined ? tag : `${tag}:${val}`;
}

function content(reading) {
  if ("text" in reading) return { tag: "text", val: reading.text };
  if ("base64" in reading) return { tag: "bytes", val: Buffer.from(reading.base64, "base64") };
  if ("tasks" in reading) return { tag: "tasks", val: camelCase(reading.tasks) };
  return { tag: "absent", val: reading.errno };
}

function readCapture(file) {
  // JSON.parse rounds integers above 2^53, and a host's clock is beyond that
  // after 104 days, so what is a u64 is parsed as a string. Only a key can be
  // meant: inside a text these quotes would be escaped.
  const json = readFileSync(file, "utf8").replace(
    /"(now|huge_page_size)":\s*(\d+)/g,
    '"$1": "$2"',
  );
  const { environment, now, is_host, records } = JSON.parse(json);
  return {
    environment: {
      settings: [],
      ...camelCase(environment),
      hugePageSize: BigInt(environment.huge_page_size),
    },
    now: BigInt(now),
    isHost: is_host,
    records,
  };
}

/** Fields as jco names them: `page_size` in a capture, `pageSize` here. */
function camelCase(record) {
  const rename = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(record).map(([name, val]) => [rename(name), val]));
}

function base64(bytes) {
  return Buffer.from(bytes).toString("base64");
}

/** An `err` of the contract arrives as an exception with a payload. */
function attempt(action) {
  try {
    return action();
  } catch (error) {
    if (error.payload === undefined) throw error;
    return { error: error.payload };
  }
}
