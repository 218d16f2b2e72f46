// Builds what embeds the policy:
//
//   node build.mjs npm ROOT policy.wasm DIRECTORY          the package, ready for `npm pack`
//   node build.mjs playground ROOT policy.wasm DIRECTORY   the page, in one file
//
// ROOT is the project's own directory. The script runs from a copy of `embed/`
// beside the installed packages: `cargo xtask npm` and `cargo xtask playground`
// see to that.

import { execFileSync } from "node:child_process";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const [what, root, component, directory] = process.argv.slice(2);

if (what === "npm" && directory !== undefined) {
  await buildPackage(directory);
} else if (what === "playground" && directory !== undefined) {
  await buildPackage(join(here, "npm"));
  const { buildPlayground } = await import("./playground/build.mjs");
  await buildPlayground({ root, directory });
} else {
  console.error("usage: node build.mjs npm|playground ROOT policy.wasm DIRECTORY");
  process.exit(2);
}

/** The package with the transpiled component, its licences and the project's version. */
async function buildPackage(target) {
  const source = join(here, "npm");
  if (target !== source) {
    await mkdir(target, { recursive: true });
    await cp(source, target, { recursive: true });
  }
  // From where the transpiler is installed, not from where it goes.
  const transpile = [join(source, "transpile.mjs"), component, join(target, "policy")];
  execFileSync(process.execPath, transpile, { stdio: "inherit" });
  for (const licence of ["LICENSE-APACHE", "LICENSE-MIT"]) {
    await cp(join(root, licence), join(target, licence));
  }
  const cargo = await readFile(join(root, "Cargo.toml"), "utf8");
  const [, version] = /^version = "(.+)"$/m.exec(cargo);
  const manifest = join(target, "package.json");
  const json = { ...JSON.parse(await readFile(manifest, "utf8")), version };
  await writeFile(manifest, `${JSON.stringify(json, null, 2)}\n`);
}
