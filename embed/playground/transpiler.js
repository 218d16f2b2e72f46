// Makes a JavaScript module of a component, in a worker: with the part of `jco`
// that is a component itself.

import { handOver } from "./handed.js";
import { $init, generate } from "@bytecodealliance/jco-transpile/component";

self.onmessage = async ({ data: { modules, component } }) => {
  try {
    handOver(modules);
    await $init;
    // As `transpile.mjs` of the package has it.
    const { files } = generate(component, {
      name: "policy",
      map: [],
      instantiation: { tag: "sync" },
      noComponentErrorWrapping: false,
      noTypescript: true,
      // Core modules stay files, whatever their size.
      base64Cutoff: 0,
    });
    self.postMessage({ files });
  } catch (error) {
    const reason = typeof error.payload === "string" ? error.payload : String(error.message ?? error);
    self.postMessage({ error: reason.split("\n", 1)[0] });
  }
};
