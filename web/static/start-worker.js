// Starts the worker: loads the engine and says how far it is. A download that breaks off or stands still is tried again.
// The page gives the worker the name of the program that it wants: apt-worker or apt-worker-gpu (web/page/src/engine.rs).

const PROGRAM = new URL(`./${self.name}.js`, import.meta.url);
const ENGINE = new URL(`./${self.name}_bg.wasm`, import.meta.url);
const ATTEMPTS = 3;
/** Milliseconds without a byte after which a download counts as broken. */
const STANDSTILL_MS = 20_000;
/** Bytes between two messages about the download. */
const EVERY = 200_000;

/** A message of the worker, as apt_bridge::transport writes it. */
const post = (message) => postMessage([JSON.stringify(message)]);

async function engine(attempt) {
  const stop = new AbortController();
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(new Error(`no byte came for ${STANDSTILL_MS / 1000} s`)), STANDSTILL_MS);
  };
  alive();
  try {
    // What broke the first time may be in the browser's cache.
    const answer = await fetch(ENGINE, { signal: stop.signal, cache: attempt > 1 ? "reload" : "default" });
    if (!answer.ok) throw new Error(`the answer is ${answer.status} ${answer.statusText}`);
    // The length of a compressed answer says nothing of the bytes that come out.
    const length = answer.headers.has("content-encoding") ? null : Number(answer.headers.get("content-length")) || null;
    let done = 0;
    let told = 0;
    const counted = new TransformStream({
      transform(chunk, controller) {
        alive();
        done += chunk.byteLength;
        if (done - told >= EVERY) {
          told = done;
          const total = length !== null && length > done ? length : null;
          post({ message: "progress", what: "loading the engine", done, total });
        }
        controller.enqueue(chunk);
      },
    });
    const headers = { "content-type": "application/wasm" };
    return await WebAssembly.compileStreaming(new Response(answer.body.pipeThrough(counted), { headers }));
  } finally {
    clearTimeout(timer);
  }
}

for (let attempt = 1; ; attempt++) {
  try {
    const [program, module] = await Promise.all([import(PROGRAM), engine(attempt)]);
    await program.default({ module_or_path: module });
    break;
  } catch (error) {
    if (attempt === ATTEMPTS) {
      post({ message: "panic", report: `The engine could not be loaded in ${ATTEMPTS} attempts: ${error}` });
      throw error;
    }
  }
}
