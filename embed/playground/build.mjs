// Makes the page one file, which opens from a disk as well as from a server.

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

export async function buildPlayground({ root, directory }) {
  const script = await bundled(join(root, "fixtures"));
  const style = await readFile(join(here, "playground.css"), "utf8");
  if (/<\/script|<!--/i.test(script) || /<\//.test(style)) {
    throw new Error("the script or the style would end its element");
  }
  const parts = { script, style, policy: contentSecurityPolicy(script, style) };
  const template = await readFile(join(here, "index.html"), "utf8");
  const page = template.replace(/\{\{(\w+)\}\}/g, (_, name) => parts[name]);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "index.html"), page);
}

/** The modules, the component and the captures, as one script. */
async function bundled(fixtures) {
  const names = (await readdir(fixtures)).filter((name) => name.endsWith(".json")).sort();
  const captures = await Promise.all(
    names.map(async (name) => ({
      name: name.replace(".json", ""),
      // As text: numbers of 64 bits are read by the package.
      json: await readFile(join(fixtures, name), "utf8"),
    })),
  );
  const built = {
    name: "built",
    setup(build) {
      build.onResolve({ filter: /^built$/ }, () => ({ path: "built", namespace: "built" }));
      build.onLoad({ filter: /.*/, namespace: "built" }, async () => ({
        resolveDir: here,
        contents: await builtModule(captures),
      }));
    },
  };
  const { outputFiles } = await build({
    entryPoints: [join(here, "main.js")],
    bundle: true,
    write: false,
    minify: true,
    format: "iife",
    platform: "browser",
    target: "es2022",
    charset: "utf8",
    loader: { ".wasm": "binary" },
    external: ["node:*"],
    plugins: [built],
  });
  return outputFiles[0].text;
}

async function builtModule(captures) {
  const policy = join(here, "../npm/policy");
  const modules = (await readdir(policy)).filter((name) => name.endsWith(".wasm"));
  return [
    'import { instantiate } from "../npm/policy/policy.js";',
    ...modules.map((name, place) => `import module${place} from "../npm/policy/${name}";`),
    `const modules = { ${modules.map((name, place) => `"${name}": module${place}`).join(", ")} };`,
    "export const component = { instantiate, modules };",
    `export const captures = ${JSON.stringify(captures)};`,
  ].join("\n");
}

/** Nothing but this script and this style, and no request to anywhere. */
function contentSecurityPolicy(script, style) {
  const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  return [
    "default-src 'none'",
    `script-src ${hash(script)} 'wasm-unsafe-eval'`,
    `style-src ${hash(style)}`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}
