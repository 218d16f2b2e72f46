// A policy, and the host's side of the contract `vproc:policy`.

import { has, hostText, inputsFor, isBinary, isOfProcesses, lacks, loadCapture } from "./capture.js";
import { refusal, VprocError } from "./errors.js";
import { described } from "./explanation.js";
import { isPattern, pathStandsFor, standsFor } from "./pattern.js";

export { hostText, inputsFor, loadCapture, VprocError };

/** Explanations stay in an instance's memory. */
const MOST_EXPLANATIONS = 8;

export class Policy {
  #start;
  #instance;
  #origin;
  #explanations = 0;
  #manifests = new Map();

  constructor(start) {
    this.#start = start;
  }

  /** Loads a component that `vproc-transpile` made a module of. */
  static async load({ instantiate, modules }) {
    const named = Object.entries(modules).map(async ([name, module]) => [name, await compiled(module)]);
    const ready = Object.fromEntries(await Promise.all(named));
    return new Policy(() => {
      const exports = instantiate((name) => ready[name], TRAPS);
      if (exports.renderer === undefined) {
        throw new VprocError("not-a-policy", "the component does not export `renderer`");
      }
      return exports;
    });
  }

  /** What the policy serves and asks for under the settings of an environment. */
  manifest(environment) {
    const key = JSON.stringify(environment, (_, value) =>
      typeof value === "bigint" ? String(value) : value,
    );
    let manifest = this.#manifests.get(key);
    if (manifest === undefined) {
      manifest = this.#call(undefined, ({ renderer }) => renderer.declare(environment));
      if (this.#manifests.size >= 16) this.#manifests.clear();
      this.#manifests.set(key, manifest);
    }
    return manifest;
  }

  /** The entry at a path, or the one whose pattern stands for it. */
  entry(capture, path, { settings } = {}) {
    const { entries } = this.manifest(environment(capture, settings));
    return (
      entries.find((entry) => entry.path === path) ??
      entries.find((entry) => isPattern(entry.path) && pathStandsFor(entry.path, path))
    );
  }

  /** Renders a file. */
  render(capture, path, options = {}) {
    const snapshot = this.#snapshot(capture, path, options);
    const { body, state } = this.#call(path, ({ renderer }) => renderer.render(path, snapshot), capture);
    const rendered = body.tag === "text" ? { text: body.val } : { bytes: body.val };
    return state === undefined ? rendered : { ...rendered, state };
  }

  /** Says why a file shows what it shows. */
  explain(capture, path, options = {}) {
    const snapshot = this.#snapshot(capture, path, options);
    const explanation = this.#call(
      path,
      ({ explainer }) => {
        if (explainer === undefined) {
          throw new VprocError("cannot-explain", "this policy cannot explain", { path });
        }
        this.#explanations += 1;
        return explainer.explain(path, snapshot);
      },
      capture,
    );
    return described(explanation, capture, this.entry(capture, path, options));
  }

  /** The files that the container sees, as far as they were recorded, but for those of its processes. */
  list(capture, options = {}) {
    const { entries } = this.manifest(environment(capture, options.settings));
    const names = new Map();
    const shown = entries.filter(
      (entry) =>
        entry.kind !== "directory" &&
        entry.class !== "denied" &&
        !isOfProcesses(entry) &&
        !lacks(capture, entry) &&
        !isBinary(capture, entry) &&
        has(capture, entry),
    );
    return shown.flatMap((entry) =>
      this.#paths(capture, entries, entry.path, names, options).map((path) => ({ ...entry, path, pattern: entry.path })),
    );
  }

  /** The paths that a declared one stands for. */
  #paths(capture, entries, declared, names, options) {
    let paths = [""];
    let above = "";
    for (const own of declared.split("/").slice(1)) {
      paths = isPattern(own)
        ? paths.flatMap((path) =>
            this.#listed(capture, entries, above, path, names, options)
              .filter((name) => standsFor(own, name))
              .map((name) => `${path}/${name}`),
          )
        : paths.map((path) => `${path}/${own}`);
      above += `/${own}`;
    }
    return paths;
  }

  /** What the text of a directory lists. */
  #listed(capture, entries, declared, path, names, options) {
    let listed = names.get(path);
    if (listed === undefined) {
      const isIt = (entry) => entry.kind === "directory" && entry.path === (declared || "/");
      const rendered = entries.some(isIt) ? this.render(capture, path || "/", options) : { text: "" };
      listed = (rendered.text ?? "").split("\n");
      names.set(path, listed);
    }
    return listed;
  }

  #snapshot(capture, path, { settings, state, clock }) {
    const entry = this.entry(capture, path, { settings });
    return {
      environment: environment(capture, settings),
      now: clock ?? capture.now,
      isHost: capture.isHost,
      state,
      // A path that the policy does not serve needs nothing: it says so itself.
      inputs: entry === undefined ? [] : inputsFor(capture, entry),
    };
  }

  /**
   * Calls an instance. What was rendered for one container may linger in its
   * memory, so another container gets another instance; and one that trapped
   * is dead.
   */
  #call(path, call, capture) {
    const isAnothers = capture !== undefined && this.#origin !== capture.origin;
    if (this.#instance === undefined || isAnothers || this.#explanations >= MOST_EXPLANATIONS) {
      this.#instance = this.#start();
      this.#explanations = 0;
      this.#origin = capture?.origin;
    }
    try {
      return call(this.#instance);
    } catch (error) {
      if (error instanceof VprocError) throw error;
      const failure = refusal(error, path);
      if (failure.code === "trapped") this.#instance = undefined;
      throw failure;
    }
  }
}

/**
 * A policy needs no import. One that was built with a standard library has some
 * all the same; they end the call when they are called.
 */
const TRAPS = lookup((of) =>
  lookup((name) => () => {
    throw new Error(`it called ${of} ${name}, and a policy has no imports`);
  }),
);

function lookup(get) {
  return new Proxy({}, { get: (_, name) => get(String(name)) });
}

/** The capture's environment with more settings, as pairs or as an object. */
function environment(capture, settings = []) {
  const pairs = Array.isArray(settings)
    ? settings
    : Object.entries(settings).map(([knob, value]) => ({ knob, value: String(value) }));
  const own = capture.environment;
  return pairs.length === 0 ? own : { ...own, settings: [...own.settings, ...pairs] };
}

/** A core module from where it lies: bytes, a URL, or compiled. */
async function compiled(module) {
  if (!(module instanceof URL)) {
    return module instanceof WebAssembly.Module ? module : WebAssembly.compile(module);
  }
  if (module.protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    return WebAssembly.compile(await readFile(module));
  }
  const response = await fetch(module);
  if (!response.ok) throw new VprocError("not-a-policy", `${module}: ${response.status}`);
  // Not compileStreaming, which refuses what a server sends as another type.
  return WebAssembly.compile(await response.arrayBuffer());
}
