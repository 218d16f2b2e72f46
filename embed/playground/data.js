import { $ } from "./dom.js";

/** What lies in the page, compressed, until it is asked for. */
export async function data(name) {
  const packed = Uint8Array.from(atob($(`data-${name}`).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The same of many names: an object of names to bytes. */
export async function allData(names) {
  const found = Object.entries(names).map(async ([name, from]) => [name, await data(from)]);
  return Object.fromEntries(await Promise.all(found));
}
