// What the page asks of a policy. Questions and answers are plain values, so that
// a policy answers here or in a worker.

import { has, isOfProcesses, lacks } from "../npm/src/capture.js";
import { VprocError } from "../npm/src/policy.js";
import { edited } from "./limits.js";

/** Answers with a value, or with why there is none. */
export function answer(policy, capture, { ask, edits, ...question }) {
  return attempt(() => QUESTIONS[ask](policy, edited(capture, edits), question));
}

const QUESTIONS = { files, file, text, known };

/** The knobs, and the files that there are; also those that a treatment denies. */
function files(policy, capture, { knobs, isCompared }) {
  const { knobs: declared, entries } = policy.manifest(capture.environment);
  const listed = attempt(() => policy.list(capture, { settings: knobs })).value ?? policy.list(capture);
  return {
    knobs: declared,
    files: listed.map(({ path, pattern, class: own, summary, reason }) => ({ path, pattern, class: own, summary, reason })),
    unrecorded: (isCompared ? entries : []).filter((entry) => isUnrecorded(capture, entry)).map(({ path }) => path),
  };
}

/** Whether an entry is not listed only because its inputs were not recorded. */
function isUnrecorded(capture, entry) {
  const isShown = entry.kind !== "directory" && entry.class !== "denied" && !isOfProcesses(entry);
  return isShown && !lacks(capture, entry) && !has(capture, entry);
}

/** A file, and why it is so where the policy says it. */
function file(policy, capture, { path, settings }) {
  try {
    const explanation = policy.explain(capture, path, { settings });
    return { isExplained: true, entry: policy.entry(capture, path, { settings }), explanation };
  } catch (error) {
    if (error.code !== "cannot-explain") throw error;
    const own = text(policy, capture, { path, settings });
    return { isExplained: false, explanation: { text: own, fields: [], inputs: [], steps: [] } };
  }
}

function text(policy, capture, { path, settings }) {
  const rendered = policy.render(capture, path, { settings });
  if (rendered.text !== undefined) return rendered.text;
  throw new VprocError("binary", `${path}: ${rendered.bytes.length} bytes, which are no text`, { path });
}

/** A file's text under those of the settings that the policy knows. */
function known(policy, capture, { path, settings }) {
  const { knobs } = policy.manifest(capture.environment);
  const isKnown = ({ knob }) => knob.startsWith("/") || knobs.some(({ name }) => name === knob);
  return text(policy, capture, { path, settings: settings.filter(isKnown) });
}

/** A value, or why there is none. */
function attempt(action) {
  try {
    return { value: action() };
  } catch (error) {
    if (!(error instanceof VprocError)) throw error;
    const { code, message, details } = error;
    return { error: { code, message, details } };
  }
}
