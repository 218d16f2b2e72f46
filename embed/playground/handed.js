// The transpiler fetches its own modules from beside it; they lie in the page,
// which hands them over.

let handOver;
const handed = new Promise((resolve) => (handOver = resolve));

self.fetch = async (url) => {
  const bytes = (await handed)[new URL(url).pathname.split("/").at(-1)];
  return new Response(bytes, { headers: { "content-type": "application/wasm" } });
};

export { handOver };
