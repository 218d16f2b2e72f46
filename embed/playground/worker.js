// A policy of a person's own, in a worker: nothing that it does hangs the page.
// What `jco` made of the component stands above this script, and gives
// `instantiate`.

import { Policy } from "../npm/src/policy.js";
import { answer } from "./questions.js";

/** More than any file of `/proc` has, and as much as a page shows. */
const MOST = { letters: 4 << 20, fields: 100_000, steps: 400_000, entries: 20_000 };

let policy;
let capture;

self.onmessage = async ({ data }) => {
  try {
    self.postMessage(await replied(data));
  } catch (error) {
    self.postMessage({ error: { code: error.code ?? "trapped", message: String(error.message ?? error) } });
  }
};

async function replied({ modules, question, capture: other }) {
  if (modules !== undefined) {
    policy = await Policy.load({ instantiate: self.instantiate, modules });
    return {};
  }
  capture = other ?? capture;
  return packed(answer(policy, capture, question));
}

/** Without what cannot be sent, and not more than the page bears. */
function packed({ value, error }) {
  if (error !== undefined) return { error };
  if (typeof value === "string") within("letters", value.length);
  if (value.files !== undefined) within("entries", value.files.length);
  if (value.explanation === undefined) return { value };
  const { text, fields, steps, inputs } = value.explanation;
  within("letters", text.length);
  within("fields", fields.length);
  within("steps", steps.length);
  const keys = inputs.map(({ key }) => key);
  return { value: { ...value, explanation: { text, fields: fields.map(bare), steps, inputs: keys } } };
}

/** A field without its formula, which is worked out when it is asked for. */
function bare(field) {
  const own = Object.entries(Object.getOwnPropertyDescriptors(field)).filter(([, property]) => "value" in property);
  return Object.fromEntries(own.map(([name, { value }]) => [name, value]));
}

function within(what, count) {
  if (count > MOST[what]) throw new Error(`its answer has ${count} ${what}, more than the page shows`);
}
