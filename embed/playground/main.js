// The page: what is chosen, and what follows from it.

import { captures, component } from "built";
import { hostText, loadCapture, Policy, VprocError } from "../npm/src/policy.js";
import { $ } from "./dom.js";
import { countDiffering, showFiles, startFiles } from "./files.js";
import { showKnobs } from "./knobs.js";
import { edited } from "./limits.js";
import { showLimits, showMachine, startMachine } from "./machine.js";
import { forget, showText, startText } from "./text.js";
import { showHead } from "./treatment.js";

/** What a person chose. */
const chosen = {
  capture: undefined,
  path: "/proc/meminfo",
  /** Texts of limits, by source and level. */
  edits: new Map(),
  /** Knobs that differ from their defaults. */
  knobs: new Map(),
  /** Paths that are not treated as the policy has it. */
  treatments: new Map(),
};

const FIRST = "v1-nested";

let policy;
/** The text before a change, to say what changed. */
let previous;
/** What the files were counted for. */
let counted = {};

async function start() {
  policy = await Policy.load(component);
  startMachine({ names: captures.map(({ name }) => name), pick, open });
  startFiles(choose);
  startText();
  $("reset").addEventListener("click", () => {
    startAgain();
    // The button is gone with what it resets.
    ($("limits").querySelector("input") ?? $("capture")).focus();
  });
  // On a narrow screen the long parts begin closed.
  for (const id of ["knobs-section", "files-section"]) $(id).open = matchMedia("(min-width: 48rem)").matches;
  pick((captures.find(({ name }) => name === FIRST) ?? captures[0]).name);
}

/** A capture that comes with the page. */
function pick(name) {
  use(name, loadCapture(captures.find((capture) => capture.name === name).json));
}

/** A capture of the person's own; throws what is wrong with it. */
function open(name, json) {
  const capture = loadCapture(json);
  policy.manifest(capture.environment);
  use(name, capture);
}

function use(name, capture) {
  chosen.capture = capture;
  showMachine(name, capture);
  startAgain();
}

/** Nothing is changed; the forms show what the capture has. */
function startAgain() {
  for (const changes of [chosen.edits, chosen.knobs, chosen.treatments]) changes.clear();
  previous = undefined;
  const files = listed();
  if (!files.some(({ path }) => path === chosen.path)) {
    chosen.path = files[0]?.path ?? chosen.path;
    forget();
  }
  showLimits(chosen.capture, chosen.edits, update);
  showKnobs(manifest().knobs, chosen.knobs, update);
  update();
}

function choose(path) {
  chosen.path = path;
  previous = undefined;
  forget();
  update();
}

/** Renders what is shown. */
function update() {
  const begin = performance.now();
  const { path } = chosen;
  const capture = edited(chosen.capture, chosen.edits);
  const settings = pairs([...chosen.knobs, ...chosen.treatments]);
  $("reset").hidden = settings.length + chosen.edits.size === 0;
  const files = listed();
  const shown = attempt(() => explained(capture, path, settings));
  const isKnob = shown.error?.code === "rejected-setting" && !shown.error.details.knob.startsWith("/");
  $("knobs-error").textContent = isKnob ? shown.error.message : "";
  showHead({
    path,
    file: files.find((file) => file.path === path),
    knobs: manifest().knobs,
    treatments: chosen.treatments,
    changed: update,
  });
  const said = showText({ path, host: hostText(capture, path), previous, ...shown });
  previous = shown.value?.text;
  showFiles(files, path);
  const took = performance.now() - begin;
  $("status").textContent = `${said}. Rendered in ${took.toFixed(1)} ms.`;
  $("status").dataset.took = String(took);
  count(capture, files, settings);
}

/** Counts the lines that differ in all files, unless nothing but the file changed. */
function count(capture, files, settings) {
  const key = JSON.stringify([settings, [...chosen.edits]]);
  if (counted.origin === capture.origin && counted.key === key) return;
  counted = { origin: capture.origin, key };
  countDiffering(files, (path) => {
    const { value, error } = attempt(() => policy.render(capture, path, { settings }));
    return { own: value?.text, error, host: hostText(capture, path) };
  });
}

function explained(capture, path, settings) {
  try {
    return policy.explain(capture, path, { settings });
  } catch (error) {
    if (error.code !== "cannot-explain") throw error;
    return { text: policy.render(capture, path, { settings }).text, fields: [], inputs: [], steps: [] };
  }
}

function manifest() {
  return policy.manifest(chosen.capture.environment);
}

/** The files of the container, also those that a treatment denies. */
function listed() {
  const { capture, knobs } = chosen;
  const files = attempt(() => policy.list(edited(capture, chosen.edits), { settings: pairs([...knobs]) }));
  return files.value ?? attempt(() => policy.list(capture)).value ?? [];
}

function pairs(settings) {
  return settings.map(([knob, value]) => ({ knob, value }));
}

/** A value, or why there is none. */
function attempt(action) {
  try {
    return { value: action() };
  } catch (error) {
    if (error instanceof VprocError) return { error };
    throw error;
  }
}

start();
