// Memory over a long run by several workers, and tasks that hold the page up: cargo xtask bench-browser --long.

import { readFile } from "node:fs/promises";
import { withLab } from "../support/lab.mjs";

const [STEPS, WORKERS] = [10_000, 4];
/** Steps after which everything that is made once has been made. */
const WARM = 1_000;
const LOOK_EVERY = 500;
/** Between two questions for the step. Asked in every frame, as tests do, the answers' own memory would grow. */
const ASK_EVERY_MS = 2_000;
const HOUR_MS = 3_600_000;
const KNOBS = { model: "builtin", preset: "lora", device: "cpu", steps: STEPS, eval_every: 1_000, shards: WORKERS };

const MB = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/** Bytes of memory that the lab's browser has for its pages and their workers (Linux), shared ones by their share. */
async function renderers(browser) {
  const { processInfo } = await browser.send("SystemInfo.getProcessInfo");
  let bytes = 0;
  for (const { type, id } of processInfo) {
    if (type !== "renderer") continue;
    const rollup = await readFile(`/proc/${id}/smaps_rollup`, "utf8").catch(() => "");
    bytes += 1024 * Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  }
  return bytes;
}

/** Bytes of WebAssembly's memory in each worker of the run; what of JavaScript is garbage there is collected. */
async function wasm(lab) {
  const workers = lab.page.workers().filter((worker) => worker.url().includes("start-worker"));
  const look = () => {
    globalThis.gc();
    return globalThis.memory.buffer.byteLength;
  };
  return Promise.all(workers.map((worker) => worker.evaluate(look)));
}

/** Before a worker's own script: so many processors whatever this computer has, and its memory is kept at hand. */
function watched(processors) {
  Object.defineProperty(WorkerNavigator.prototype, "hardwareConcurrency", { get: () => processors });
  for (const name of ["instantiate", "instantiateStreaming"]) {
    const original = WebAssembly[name];
    WebAssembly[name] = async (...args) => {
      const made = await original.apply(WebAssembly, args);
      globalThis.memory = (made.instance ?? made).exports.memory;
      return made;
    };
  }
}

await withLab({ settings: {}, flags: ["--js-flags=--expose-gc"] }, async (lab) => {
  await lab.page.addInitScript(() => {
    globalThis.longTasks = [];
    new PerformanceObserver((list) => globalThis.longTasks.push(...list.getEntries().map((task) => task.duration))).observe({
      type: "longtask",
    });
  });
  await lab.beforeWorkers(`(${watched})(${WORKERS});`);
  await lab.go(KNOBS);
  await lab.state("ready");
  const browser = await lab.visit.browser().newBrowserCDPSession();
  const devtools = await lab.visit.newCDPSession(lab.page);
  const look = async () => {
    await devtools.send("HeapProfiler.collectGarbage");
    const held = await wasm(lab);
    const { metrics } = await devtools.send("Performance.getMetrics");
    const heap = metrics.find(({ name }) => name === "JSHeapUsedSize").value;
    return { step: await lab.step(), renderers: await renderers(browser), heap, wasm: held };
  };
  await devtools.send("Performance.enable");
  await lab.press("start");
  const looks = [];
  for (let step = WARM; step < STEPS; step += LOOK_EVERY) {
    await lab.reach(step, HOUR_MS, ASK_EVERY_MS);
    if (!looks.length) await lab.page.evaluate(() => (globalThis.longTasks.length = 0));
    looks.push(await look());
    const { renderers, heap, wasm } = looks.at(-1);
    console.log(`step ${looks.at(-1).step}: renderers ${MB(renderers)}, page's heap ${MB(heap)}, WebAssembly ${wasm.map(MB).join(" + ")}`);
  }
  const long = await lab.page.evaluate(() => globalThis.longTasks);
  const record = await lab.finished(HOUR_MS);
  const [first, last] = [looks[0], looks.at(-1)];
  const grown = ({ renderers: a }, { renderers: b }) => `${((100 * (b - a)) / a).toFixed(1)} %`;
  console.log(
    `${record.curve.length} steps by ${last.wasm.length} workers: renderers ${MB(first.renderers)} at step ${first.step}, ` +
      `${MB(last.renderers)} at step ${last.step} (${grown(first, last)}); tasks above 50 ms of the page from step ${first.step} on: ` +
      `${long.length}${long.length ? ` (longest ${Math.max(...long)} ms)` : ""}; ${record.warnings.join("; ")}`,
  );
});
