// Makes a component of policy.js: node build.mjs policy.wasm [WIT]

import { componentize } from "@bytecodealliance/componentize-js";
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const beside = (name) => fileURLToPath(new URL(name, import.meta.url));
const [target = "policy.wasm", witPath = beside("../../wit")] = process.argv.slice(2);

const { component } = await componentize({
  sourcePath: beside("policy.js"),
  witPath,
  worldName: "policy",
  // What a policy has none of. What remains of WASI after this would trap.
  disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
});
await writeFile(target, component);
