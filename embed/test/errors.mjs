// What is wrong is said: node errors.mjs capture.json

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { explain, inputsFor, list, loadCapture, manifest, Policy, policy, render, VprocError } from "@vproc/policy";

const json = readFileSync(process.argv[2], "utf8");
const capture = loadCapture(json);
let errors = 0;

function fails(action, code, errno, message) {
  assert.throws(action, (error) => {
    assert(error instanceof VprocError, String(error.stack));
    assert.deepEqual([error.code, error.errno], [code, errno], error.message);
    assert.match(error.message, message);
    return true;
  });
  errors += 1;
}

const changed = (change) => {
  const value = JSON.parse(json);
  change(value);
  return () => loadCapture(JSON.stringify(value));
};

fails(() => loadCapture(json.slice(0, 900)), "malformed-capture", 22, /not a capture: it is not JSON/);
fails(() => loadCapture("[]"), "malformed-capture", 22, /no `vproc-capture`/);
fails(() => loadCapture("null"), "malformed-capture", 22, /no `vproc-capture`/);
fails(changed((value) => (value["vproc-capture"] = 2)), "capture-too-new", 22, /format 2, .* up to format 1/);
fails(changed((value) => (value.now = -1)), "malformed-capture", 22, /`now` is no number/);
fails(changed((value) => (value.environment.page_size = "4k")), "malformed-capture", 22, /environment.page_size/);
fails(changed((value) => (value.records[2].source = "cgroup3:")), "malformed-capture", 22, /`records\[2\].source`/);
fails(
  changed((value) => (value.records[0].found = [{ level: 1 }])),
  "malformed-capture",
  22,
  /`records\[0\].found\[0\]` has neither `text`/,
);
fails(
  changed((value) => (value.records[0].found = [{ text: "\ud800" }])),
  "malformed-capture",
  22,
  /is no text/,
);
fails(changed((value) => (value.records[0].found = [{ base64: "?" }])), "malformed-capture", 22, /is not base64/);

fails(() => render(capture, "/proc/nothing"), "unsupported-path", 2, /\/proc\/nothing: .*does not serve/);
fails(() => render(capture, "/proc/kcore/"), "unsupported-path", 2, /does not serve/);
fails(() => render(capture, "/proc/kmsg"), "denied", 13, /denies/);
fails(() => render(capture, "/proc/meminfo", { settings: { cpus: "all" } }), "rejected-setting", 22, /`cpus`: `all`/);
fails(() => render(capture, "/proc/stat", { settings: { "/proc/stat": "deny" } }), "denied", 13, /\/proc\/stat/);
fails(() => explain(capture, "/proc/crypto"), "not-recorded", 61, /\/proc\/crypto needs host:\/proc\/crypto/);

const without = (source) => ({
  ...capture,
  records: capture.records.map((record) =>
    record.source === source
      ? { source, found: [{ level: 0, depth: 0, content: { tag: "absent", val: 13 } }] }
      : record,
  ),
});
fails(() => render(without("host:/proc/meminfo"), "/proc/meminfo"), "missing-input", 5, /`meminfo`, which could not/);

// A policy that contradicts itself: a step that follows from itself, a field
// outside the text, a value that is not there; and one that ends its instance.
const field = { label: "a", column: "", line: 1, start: 0, end: 1, layout: "number", provenance: "computed", reason: "" };
const step = { value: 1n, unit: "count", from: { tag: "named", val: { text: "it", of: 0 } } };
const liar = (explanation) => {
  const { entries, knobs } = policy.manifest(capture.environment);
  const instantiate = () => ({
    renderer: { declare: () => ({ name: "liar", version: "0", entries, knobs }) },
    explainer: { explain: () => ({ text: "1\n", inputs: [], fields: [field], steps: [], ...explanation }) },
  });
  return Policy.load({ instantiate, modules: {} });
};
const circular = await liar({ steps: [step], fields: [{ ...field, value: 0 }] });
fails(() => circular.explain(capture, "/proc/stat"), "malformed-explanation", 5, /step 0 follows from one/);
const outside = await liar({ fields: [{ ...field, end: 9 }] });
fails(() => outside.explain(capture, "/proc/stat"), "malformed-explanation", 5, /`a` is not in the text/);
const missing = await liar({ fields: [{ ...field, value: 7 }] });
fails(() => missing.explain(capture, "/proc/stat"), "malformed-explanation", 5, /a value without a step/);
fails(() => circular.render(capture, "/proc/stat"), "trapped", 5, /\/proc\/stat: the policy failed/);

// What was asked before is still answered, and a setting leaves nothing behind.
assert.match(render(capture, "/proc/meminfo").text, /^MemTotal: +204800 kB/);
const { entries } = manifest(capture);
const meminfo = entries.find(({ path }) => path === "/proc/meminfo");
const limits = inputsFor(capture, meminfo).filter(({ key }) => key === "memory.limit_in_bytes");
assert.deepEqual(limits.map(({ level, depth }) => [level, depth]), [[0, 3], [1, 2], [2, 1], [3, 0]]);
assert(list(capture).some(({ path }) => path === "/sys/devices/system/cpu/cpu0/topology/core_id"));

// A history: the container's load rises with its tasks, and the clock counts.
const tasks = { total: 9, running: 8, blocked: 0, lastPid: 7 };
const found = [{ level: 0, depth: 0, content: { tag: "tasks", val: tasks } }];
const busy = {
  ...capture,
  records: capture.records.map((record) => (record.source === "tasks" ? { ...record, found } : record)),
};
const { state } = render(capture, "/proc/loadavg");
const [load] = render(busy, "/proc/loadavg", { state, clock: capture.now + 60_000_000_000n }).text.split(" ");
assert(Number(load) > 3 && Number(load) < 8, load);

// Two containers do not share an instance.
assert.equal(policy.render({ ...capture, origin: {} }, "/proc/uptime").text, render(capture, "/proc/uptime").text);

console.log(`${errors} errors as they should be`);
