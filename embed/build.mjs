// Builds what embeds the policy:
//
//   node build.mjs npm ROOT policy.wasm DIRECTORY          the package, ready for `npm pack`
//   node build.mjs playground ROOT policy.wasm DIRECTORY EXAMPLES
//                                                          the page, in one file
//
// ROOT is the project's own directory; EXAMPLES holds the policies of its
// `examples/policies`, each as NAME.wasm. The script runs from a copy of `embed/`
// beside the installed packages: `cargo xtask npm` and `cargo xtask playground`
// see to that.

import { execFileSync } from "node:child_process";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const [what, root, component, directory, examples] = process.argv.slice(2);

if (what === "npm" && directory !== undefined) {
  await buildPackage(directory);
} else if (what === "playground" && examples !== undefined) {
  await buildPackage(join(here, "npm"));
  const { buildPlayground } = await import("./playground/build.mjs");
  await buildPlayground({ root, directory, policies: await transpiledPolicies() });
} else {
  console.error("usage: node build.mjs npm|playground ROOT policy.wasm DIRECTORY [EXAMPLES]");
  process.exit(2);
}

/** The package with the transpiled component, its licences and the project's version. */
async function buildPackage(target) {
  const source = join(here, "npm");
  if (target !== source) {
    await mkdir(target, { recursive: true });
    await cp(source, target, { recursive: true });
  }
  transpile(component, join(target, "policy"));
  for (const licence of ["LICENSE-APACHE", "LICENSE-MIT"]) {
    await cp(join(root, licence), join(target, licence));
  }
  const cargo = await readFile(join(root, "Cargo.toml"), "utf8");
  const [, version] = /^version = "(.+)"$/m.exec(cargo);
  const manifest = join(target, "package.json");
  const json = { ...JSON.parse(await readFile(manifest, "utf8")), version };
  await writeFile(manifest, `${JSON.stringify(json, null, 2)}\n`);
}

function transpile(component, target) {
  // From where the transpiler is installed, not from where its result goes.
  const script = join(here, "npm/transpile.mjs");
  execFileSync(process.execPath, [script, component, target], { stdio: "inherit" });
}

/** The default policy and the examples, with what their manifests say of them. */
async function transpiledPolicies() {
  const summary = async (manifest) => {
    const [, description] = /^description = "(?:A vproc policy: )?(.+)"$/m.exec(await readFile(join(root, manifest), "utf8"));
    return `${description[0].toUpperCase()}${description.slice(1)}.`;
  };
  const policies = [
    { name: "default", summary: await summary("crates/vproc-policy/Cargo.toml"), directory: join(here, "npm/policy") },
  ];
  for (const file of (await readdir(examples)).filter((file) => file.endsWith(".wasm")).sort()) {
    const name = file.replace(".wasm", "");
    const directory = join(here, "policies", name);
    transpile(join(examples, file), directory);
    policies.push({ name, summary: await summary(`examples/policies/${name}/Cargo.toml`), directory });
  }
  return policies;
}
