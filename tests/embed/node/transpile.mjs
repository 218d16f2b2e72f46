// Makes a JavaScript module of a policy: node transpile.mjs policy.wasm policy
//
// The same as `npx @bytecodealliance/jco transpile policy.wasm --name policy -o
// policy`, whose library this is, with far fewer packages to install.

import { transpile, writeFiles } from "@bytecodealliance/jco-transpile";

const [policy, directory] = process.argv.slice(2);
const { files } = await transpile(policy, {
  name: "policy",
  outDir: directory,
  // Errors of the contract are thrown as ComponentError, as with the command.
  noComponentErrorWrapping: false,
});
await writeFiles(files);
