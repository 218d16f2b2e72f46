// The page: what is chosen, and what follows from it.

import { captures } from "built";
import { hostText, loadCapture } from "../npm/src/policy.js";
import { DefaultPolicy } from "./default.js";
import { $ } from "./dom.js";
import { countDiffering, showAbsent, showFiles, startFiles } from "./files.js";
import { showKnobs } from "./knobs.js";
import { edited } from "./limits.js";
import { showLimits, showMachine, startMachine } from "./machine.js";
import { DEFAULT, policyOf, showPolicy, startPolicies } from "./policies.js";
import { forget, showText, startText } from "./text.js";
import { showHead } from "./treatment.js";

/** What a person chose. */
const chosen = {
  capture: undefined,
  policy: undefined,
  path: "/proc/meminfo",
  /** Texts of limits, by source and level. */
  edits: new Map(),
  /** Knobs that differ from their defaults. */
  knobs: new Map(),
  /** Paths that are not treated as the policy has it. */
  treatments: new Map(),
  /** What stands beside the container's text: the host's, or the default policy's. */
  beside: "host",
};

const FIRST = "v1-nested";

let defaultPolicy;
/** The files and knobs that were shown last. */
let listing = { knobs: [], files: [], unrecorded: [] };
/** The text before a change, to say what changed. */
let previous;
/** What the files were counted for. */
let counted = {};
/** Which update is the last. */
let latest = 0;
/** Whether the forms and the open file are those of another capture or policy. */
let isSettled = true;

async function start() {
  chosen.policy = await policyOf(DEFAULT);
  defaultPolicy = new DefaultPolicy(chosen.policy.runner);
  const { open: openPolicy } = startPolicies(decide);
  startMachine({ names: captures.map(({ name }) => name), pick, open, openPolicy });
  startFiles(choose);
  startText();
  $("reset").addEventListener("click", () => {
    startAgain();
    // The button is gone with what it resets.
    ($("limits").querySelector("input") ?? $("capture")).focus();
  });
  $("beside").addEventListener("change", ({ target }) => {
    chosen.beside = target.value;
    previous = undefined;
    update();
  });
  // On a narrow screen the long parts begin closed.
  for (const id of ["knobs-section", "files-section"]) $(id).open = matchMedia("(min-width: 48rem)").matches;
  showPolicy(chosen.policy);
  pick((captures.find(({ name }) => name === FIRST) ?? captures[0]).name);
}

/** A capture that comes with the page. */
function pick(name) {
  use(name, loadCapture(captures.find((capture) => capture.name === name).json));
}

/** A capture of the person's own; throws what is wrong with it. */
async function open(name, json) {
  const capture = loadCapture(json);
  await tried(chosen.policy, capture);
  use(name, capture);
}

/** Another policy, unless a later one is wanted; throws why it cannot be used. */
async function decide(policy, isWanted) {
  try {
    await tried(policy, chosen.capture);
  } catch (error) {
    policy.runner.stop();
    throw error;
  }
  if (!isWanted()) return policy.runner.stop();
  if (chosen.policy !== policy) chosen.policy.runner.stop();
  chosen.policy = policy;
  showPolicy(policy);
  isSettled = false;
  update();
}

/** What a policy cannot say of a capture, it says before either is shown. */
async function tried(policy, capture) {
  const { error } = await policy.runner.ask(capture, { ask: "files", edits: new Map(), knobs: [] });
  if (error !== undefined) throw new Error(error.message);
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
  showLimits(chosen.capture, chosen.edits, update);
  isSettled = false;
  update();
}

function choose(path) {
  chosen.path = path;
  previous = undefined;
  forget();
  update();
}

/** Asks for what is shown, and shows it: at once where the policy answers at once. */
function update() {
  const own = (latest += 1);
  const isWanted = () => own === latest;
  const begin = performance.now();
  const { capture, policy, edits, treatments } = chosen;
  const ask = (question, show) => {
    const answer = policy.runner.ask(capture, question, isWanted);
    if (!(answer instanceof Promise)) return show(answer);
    $("content").setAttribute("aria-busy", "true");
    return answer.then((answer) => isWanted() && show(answer));
  };
  const isCompared = policy.name !== DEFAULT;
  ask({ ask: "files", edits: new Map(edits), knobs: pairs(chosen.knobs), isCompared }, (listed) => {
    listing = listed.value ?? listing;
    if (!isSettled) settle();
    const settings = [...pairs(chosen.knobs), ...pairs(treatments)];
    ask({ ask: "file", edits: new Map(edits), path: chosen.path, settings }, (file) =>
      show(listed.error === undefined ? file : listed, settings, begin),
    );
  });
}

/** The forms and the choice of a file follow another capture or policy. */
function settle() {
  isSettled = true;
  const { knobs, files } = listing;
  const isKnob = (name) => knobs.some((knob) => knob.name === name);
  const hasPaths = knobs.some(({ name }) => name.startsWith("/"));
  for (const name of [...chosen.knobs.keys()]) if (!isKnob(name)) chosen.knobs.delete(name);
  if (!hasPaths) chosen.treatments.clear();
  showKnobs(knobs, chosen.knobs, update);
  if (files.some(({ path }) => path === chosen.path)) return;
  chosen.path = files[0]?.path ?? chosen.path;
  previous = undefined;
  forget();
}

/** Shows an answer. */
function show({ value, error }, settings, begin) {
  const { path, policy } = chosen;
  const { knobs, files } = listing;
  const capture = edited(chosen.capture, chosen.edits);
  const isDefault = policy.name === DEFAULT;
  $("content").removeAttribute("aria-busy");
  $("reset").hidden = settings.length + chosen.edits.size === 0;
  const isKnob = error?.code === "rejected-setting" && !error.details?.knob.startsWith("/");
  $("knobs-error").textContent = isKnob ? error.message : "";
  $("unexplained").hidden = value?.isExplained !== false;
  $("beside").hidden = isDefault || error !== undefined;
  showHead({ path, file: files.find((file) => file.path === path), knobs, treatments: chosen.treatments, changed: update });
  const beside = isDefault || chosen.beside === "host" ? ofHost(capture) : ofDefault(capture, settings);
  const said = showText({ path, beside, previous, value: value?.explanation, error });
  previous = value?.explanation.text;
  showFiles(files, path);
  showAbsent(listing, isDefault ? [] : defaultPolicy.files(capture));
  const took = performance.now() - begin;
  $("status").textContent = `${said}. Rendered in ${took.toFixed(1)} ms.`;
  $("status").dataset.took = String(took);
  count(capture, settings);
}

function ofHost(capture) {
  const absence = "the host’s text was not recorded";
  return { side: "host", name: "Host", own: "Container", of: "the host’s", text: hostText(capture, chosen.path), absence };
}

function ofDefault(capture, settings) {
  const { value: text } = defaultPolicy.text(capture, chosen.path, settings);
  const absence = "the default policy does not show it";
  return { side: "default", name: "Default policy", own: chosen.policy.name, of: "the default policy’s", text, absence };
}

/** Counts the lines that differ in all files, unless nothing but the file changed. */
function count(capture, settings) {
  const { policy, edits } = chosen;
  const key = JSON.stringify([settings, [...edits]]);
  if (counted.origin === capture.origin && counted.policy === policy && counted.key === key) return;
  counted = { origin: capture.origin, policy, key };
  const isDefault = policy.name === DEFAULT;
  const asked = { ask: "text", edits: new Map(edits), settings };
  countDiffering(listing.files, {
    own: (path, isWanted) => policy.runner.ask(chosen.capture, { ...asked, path }, isWanted),
    host: (path) => hostText(capture, path),
    byDefault: isDefault ? undefined : (path) => defaultPolicy.text(capture, path, settings),
  });
}

function pairs(settings) {
  return [...settings].map(([knob, value]) => ({ knob, value }));
}

start();
