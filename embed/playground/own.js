// A component that a person brought: from its bytes to a policy that answers.

import { transpiler, worker } from "built";
import { Away, reply } from "./away.js";
import { bounded } from "./bounded.js";
import { allData, data } from "./data.js";

/** What `vprocctl` takes at most. */
const MOST_BYTES = 32 << 20;
/** A component of megabytes takes seconds. */
const TRANSPILED_WITHIN = 60_000;

const MAGIC = [0x00, 0x61, 0x73, 0x6d];
/** The version and the layer in the preamble of a component. */
const COMPONENT = [0x0d, 0x00, 0x01, 0x00];

/** Whether a file is to be read as a policy and not as a capture. */
export async function isPolicy(file) {
  const start = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  return /\.wasm$/i.test(file.name) || isSame(start, MAGIC);
}

/** A policy in a worker; throws why it cannot be one. */
export async function ownPolicy(file) {
  if (file.size > MOST_BYTES) throw new Error("it has more than 32 MiB");
  const component = new Uint8Array(await file.arrayBuffer());
  if (!isSame(component.slice(0, 4), MAGIC)) throw new Error("not a policy: it is not WebAssembly");
  if (!isSame(component.slice(4, 8), COMPONENT)) {
    throw new Error("not a policy: it is a core module, and a policy is a component");
  }
  const files = await transpiled(component);
  const cores = files.filter(([name]) => name.endsWith(".wasm"));
  const modules = await Promise.all(cores.map(async ([name, bytes]) => [name, await WebAssembly.compile(bounded(bytes))]));
  const [, glue] = files.find(([name]) => name.endsWith(".js"));
  // Not a module: from a disk, no browser loads one into a worker.
  const instantiate = new TextDecoder().decode(glue).replace(/^export (?=function |const )/gm, "");
  const parts = [instantiate, "\nself.instantiate = instantiate;\n", await data(worker)];
  return new Away({ script: address(parts), modules: Object.fromEntries(modules) });
}

async function transpiled(component) {
  const script = address([await data(transpiler.script)]);
  const own = new Worker(script);
  try {
    const modules = await allData(transpiler.modules);
    const { files, error } = await reply(own, { modules, component }, TRANSPILED_WITHIN);
    if (error !== undefined) throw new Error(`not a policy: ${error}`);
    return files;
  } finally {
    own.terminate();
    URL.revokeObjectURL(script);
  }
}

/** An address for a script that is put together here. */
function address(parts) {
  return URL.createObjectURL(new Blob(parts, { type: "text/javascript" }));
}

function isSame(bytes, expected) {
  return expected.every((byte, place) => bytes[place] === byte);
}
