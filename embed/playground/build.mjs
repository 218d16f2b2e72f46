// Makes the page one file, which opens from a disk as well as from a server.

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

/** Policies are the transpiled ones, the default first: a name, a summary and a directory each. */
export async function buildPlayground({ root, directory, policies }) {
  const data = new Data();
  const script = await bundled("main.js", await builtModule(root, policies, data));
  const style = await readFile(join(here, "playground.css"), "utf8");
  if (/<\/script|<!--/i.test(script) || /<\//.test(style)) {
    throw new Error("the script or the style would end its element");
  }
  const parts = { script, style, data: data.elements(), policy: contentSecurityPolicy(script, style) };
  const template = await readFile(join(here, "index.html"), "utf8");
  const page = template.replace(/\{\{(\w+)\}\}/g, (_, name) => parts[name]);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "index.html"), page);
}

/** What lies in the page until it is asked for: compressed, in elements that no browser runs. */
class Data {
  #elements = [];

  /** The name by which the page finds it. */
  add(name, content) {
    const packed = gzipSync(content, { level: 9 }).toString("base64");
    this.#elements.push(`<script type="text/plain" id="data-${name}">${packed}</script>`);
    return name;
  }

  elements() {
    return this.#elements.join("\n");
  }
}

/** A module and those that it imports, as one script; `built` is what it imports by that name. */
async function bundled(entry, built) {
  const given = {
    name: "built",
    setup(build) {
      build.onResolve({ filter: /^built$/ }, () => ({ path: "built", namespace: "built" }));
      build.onLoad({ filter: /.*/, namespace: "built" }, () => ({ resolveDir: here, contents: built }));
    },
  };
  const { outputFiles } = await build({
    entryPoints: [join(here, entry)],
    bundle: true,
    write: false,
    minify: true,
    format: "iife",
    platform: "browser",
    target: "es2022",
    charset: "utf8",
    external: ["node:*"],
    // The transpiler looks for its modules beside itself: see `handed.js`.
    define: { "import.meta.url": '"page:///"' },
    plugins: [given],
  });
  return outputFiles[0].text;
}

/** What `main.js` is given. */
async function builtModule(root, policies, data) {
  const glues = new Map();
  const imports = [];
  const described = [];
  for (const { name, summary, directory } of policies) {
    const glue = join(directory, "policy.js");
    const text = await readFile(glue, "utf8");
    // Policies of one contract and one SDK share what calls them.
    if (!glues.has(text)) {
      glues.set(text, `instantiate${glues.size}`);
      imports.push(`import { instantiate as ${glues.get(text)} } from ${JSON.stringify(glue)};`);
    }
    const modules = await added(directory, `policy-${name}`, data);
    described.push(`{ ...${JSON.stringify({ name, summary, modules })}, instantiate: ${glues.get(text)} }`);
  }
  const vendor = dirname(createRequire(import.meta.url).resolve("@bytecodealliance/jco-transpile/component"));
  const transpiler = {
    script: data.add("transpiler", await bundled("transpiler.js")),
    modules: await added(vendor, "transpiler", data, "js-component-bindgen-component"),
  };
  const worker = data.add("worker", await bundled("worker.js"));
  return [
    ...imports,
    `export const policies = [${described.join(", ")}];`,
    `export const transpiler = ${JSON.stringify(transpiler)};`,
    `export const worker = ${JSON.stringify(worker)};`,
    `export const captures = ${JSON.stringify(await captures(root))};`,
  ].join("\n");
}

/** The core modules of a directory: by their names, where they lie in the page. */
async function added(directory, prefix, data, start = "") {
  const names = (await readdir(directory)).filter((name) => name.startsWith(start) && name.endsWith(".wasm")).sort();
  const modules = {};
  for (const [place, name] of names.entries()) {
    modules[name] = data.add(`${prefix}-${place}`, await readFile(join(directory, name)));
  }
  return modules;
}

/** The captures of the project, and those that the examples of policies bring. */
async function captures(root) {
  const examples = join(root, "examples/policies");
  const own = (await readdir(examples)).sort().map((name) => join(examples, name, "captures"));
  const found = new Map();
  for (const directory of [join(root, "fixtures"), ...own]) {
    for (const file of (await readdir(directory)).filter((name) => name.endsWith(".json")).sort()) {
      const name = file.replace(".json", "");
      // As text: numbers of 64 bits are read by the package.
      if (!found.has(name)) found.set(name, { name, json: await readFile(join(directory, file), "utf8") });
    }
  }
  return [...found.values()];
}

/** Nothing but this script and this style, what this script starts apart, and no request to anywhere. */
function contentSecurityPolicy(script, style) {
  const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  return [
    "default-src 'none'",
    `script-src ${hash(script)} 'wasm-unsafe-eval'`,
    // A policy of a person's own runs in a worker, under this same rule.
    "worker-src blob:",
    `style-src ${hash(style)}`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}
