// Which policy decides: one that comes with the page, or a person's own.

import { policies } from "built";
import { Policy } from "../npm/src/policy.js";
import { allData } from "./data.js";
import { $, h } from "./dom.js";
import { Here } from "./here.js";
import { ownPolicy } from "./own.js";

export const DEFAULT = "default";

const loaded = new Map();
/** Those that a person brought, by the names of their files. */
const own = new Map();
let shown;

/** A policy by its name; one that comes with the page is loaded when it is first asked for. */
export function policyOf(name) {
  if (own.has(name)) return own.get(name);
  if (!loaded.has(name)) loaded.set(name, load(policies.find((policy) => policy.name === name)));
  return loaded.get(name);
}

async function load({ name, summary, instantiate, modules }) {
  const policy = await Policy.load({ instantiate, modules: await allData(modules) });
  return { name, summary, runner: new Here(policy) };
}

/** Calls `choose` with a policy, which throws why it cannot be used. */
export function startPolicies(choose) {
  const select = $("policy");
  select.append(...policies.map(({ name }) => h("option", { value: name }, name)));
  let turn = 0;
  const offer = async (title, policy) => {
    const mine = (turn += 1);
    fail("");
    $("policy-section").setAttribute("aria-busy", "true");
    $("status").textContent = `Loading the policy ${title} …`;
    try {
      const found = await policy();
      if (mine === turn) await choose(found, () => mine === turn);
    } catch (error) {
      if (mine !== turn) return;
      fail(`${title}: ${error.message}`);
      $("status").textContent = `${title} cannot be used; ${shown.name} still decides.`;
      select.value = shown.name;
    } finally {
      if (mine === turn) $("policy-section").removeAttribute("aria-busy");
    }
  };
  select.addEventListener("change", () => {
    const name = select.value;
    offer(name, () => policyOf(name));
  });
  $("component").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    if (file !== undefined) open(file);
    target.value = "";
  });
  const open = (file) => offer(file.name, () => ownOf(file));
  return { open };
}

async function ownOf(file) {
  const name = policies.some(({ name }) => name === file.name) ? `${file.name} (own)` : file.name;
  const summary = "A policy of your own. It runs apart from the page, and is ended where it takes too long.";
  return { name, summary, runner: await ownPolicy(file), isOwn: true };
}

/** Shows which policy it is that decides. */
export function showPolicy(policy) {
  const { name, summary, isOwn } = policy;
  shown = policy;
  const select = $("policy");
  if (isOwn && own.get(name) !== policy) {
    own.get(name)?.runner.stop();
    own.set(name, policy);
    if (![...select.options].some(({ value }) => value === name)) select.append(h("option", { value: name }, name));
  }
  select.value = name;
  $("policy-summary").textContent = summary;
}

function fail(message) {
  $("policy-error").textContent = message;
}
