#!/usr/bin/env node
// Makes a JavaScript module of a policy: vproc-transpile policy.wasm DIRECTORY
//
// Needs `@bytecodealliance/jco-transpile`; what it makes needs nothing.

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { transpile, writeFiles } from "@bytecodealliance/jco-transpile";

const [policy, directory] = process.argv.slice(2);
if (directory === undefined) {
  console.error("usage: vproc-transpile policy.wasm DIRECTORY");
  process.exit(2);
}
const { files } = await transpile(policy, {
  name: "policy",
  outDir: directory,
  // Every container gets an instance of its own, so importing makes none.
  instantiation: "sync",
  // What a standard library imports is not there: a call of it ends the render.
  wasiShim: false,
  // Errors of the contract are thrown as ComponentError.
  noComponentErrorWrapping: false,
});
await writeFiles(files);
const modules = Object.keys(files).map((file) => basename(file)).filter((file) => file.endsWith(".wasm"));
const sha256 = createHash("sha256").update(await readFile(policy)).digest("hex");
const index = [
  'export { instantiate } from "./policy.js";',
  "export const modules = {",
  ...modules.map((name) => `  "${name}": new URL("./${name}", import.meta.url),`),
  "};",
  `export const sha256 = "${sha256}";`,
];
const types = [
  'export { instantiate } from "./policy.js";',
  "export const modules: Record<string, URL>;",
  "export const sha256: string;",
];
await writeFile(join(directory, "index.js"), `${index.join("\n")}\n`);
await writeFile(join(directory, "index.d.ts"), `${types.join("\n")}\n`);
