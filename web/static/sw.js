// Service worker: the lab works with the network cut once it was loaded.
//
// Network first, so that a new version (or an edit during development) is seen at once; what was fetched last answers
// when the network does not. Only this folder's own files are touched; a checkpoint from elsewhere is not.

const CACHE = "apt-lab/1";

// What a first visit needs, also what it has not asked for yet: the worker for the CPU and the built-in model. The one for
// the GPU is kept where it was loaded.
const SHELL = [
  "./",
  "./start.js",
  "./apt-page.js",
  "./apt-page_bg.wasm",
  "./start-worker.js",
  "./apt-worker.js",
  "./apt-worker_bg.wasm",
  "./recorded.jsonl",
  "./study.json",
  "./study-128.json",
  "./LECTURE.md",
  "./icon.svg",
  "./preview.png",
  "./builtin/config.json",
  "./builtin/tokenizer.json",
  "./builtin/model.safetensors",
];

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(keep(SHELL));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const old = (await caches.keys()).filter((name) => name.startsWith("apt-lab/") && name !== CACHE);
      await Promise.all(old.map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

// The page names what it loaded before this worker was in charge: styles, snippets, pictures; and the program of the lab's
// worker.
self.addEventListener("message", (event) => {
  const names = event.data?.keep;
  if (Array.isArray(names)) event.waitUntil(keep(names.filter(ours)));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && ours(request.url)) event.respondWith(networkFirst(event));
});

/** Whether the address lies in this folder. */
function ours(address) {
  return address.startsWith(self.registration.scope);
}

/** Fetches what is not in the cache yet. A file that cannot be had is no reason to do without the others. */
async function keep(addresses) {
  const cache = await caches.open(CACHE);
  const missing = addresses.map(async (address) => {
    if (await cache.match(address, { ignoreSearch: true })) return;
    // What the page has just loaded is taken from the browser's own cache, not transferred again.
    const response = await fetch(address, { cache: "force-cache" });
    if (response.status === 200) await cache.put(plain(response.url), response);
  });
  await Promise.allSettled(missing);
}

async function networkFirst(event) {
  const address = plain(event.request.url);
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(event.request);
    // A partial answer cannot be stored.
    if (response.status === 200) event.waitUntil(cache.put(address, response.clone()));
    return response;
  } catch (error) {
    const kept = await cache.match(address, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}

/** The address without query, in which the lab keeps its settings, and without fragment. */
function plain(address) {
  return address.split(/[?#]/)[0];
}
