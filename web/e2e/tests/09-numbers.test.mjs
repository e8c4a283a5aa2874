// What may not grow unnoticed: GPU work of a step, size of the code, long tasks, memory. Counts and sizes are compared
// with baseline.json; `APT_BASELINE=write` writes it anew. How long things take is a matter of bench/steps.mjs.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { growth } from "../support/baseline.mjs";
import { withLab } from "../support/lab.mjs";
import { FLAGS, growth as grown, memory } from "../support/memory.mjs";
import { DIST } from "../support/paths.mjs";
import { sizes } from "../support/sizes.mjs";
import { mainThread } from "../support/tasks.mjs";
import { median } from "../support/times.mjs";

const NANO = { model: "nano", batch_size: 8, max_length: 16, train_examples: 256 };
/** No pruning, no teacher, no evaluation on the way: the plain step of an adapter run. */
const LORA = { preset: "lora", eval_every: 100_000 };

/** How long memory is watched on WebGPU. */
const GPU_SECONDS = Number(process.env.APT_GPU_SECONDS ?? 60);

/**
 * Growth of memory that passes. The aim is 2 %; on the CPU runs of 2,000 steps came to −0.4 to 3.7 %, of which the run's
 * own history is about 0.6 %. More than this is a leak.
 */
const GROWTH = 0.06;

const mebi = (bytes) => `${(bytes / 2 ** 20).toFixed(2)} MiB`;

/** The most that a visitor may have to load, in bytes as brotli leaves them: with the engine for the CPU, for the GPU. */
const LIMITS = { cpu: 3.4e6, gpu: 4.3e6 };

test("the code that a visitor loads is no larger than it was, nor than the limit of the engine it comes with", async () => {
  const { parts, ...paths } = await sizes();
  const told = ({ raw, gzip, brotli }) => `${mebi(raw)} raw, ${mebi(gzip)} gzip, ${mebi(brotli)} brotli`;
  for (const part of parts) console.log(`${part.name}: ${told(part)}`);
  const found = [];
  for (const [path, size] of Object.entries(paths)) {
    console.log(`${path}: ${told(size)}`);
    found.push(...(await growth(`sizes ${path}`, { raw: size.raw, brotli: size.brotli })));
    if (size.brotli > LIMITS[path]) found.push(`${path}: ${size.brotli} bytes of code, compressed with brotli`);
  }
  assert.deepEqual(found, []);
});

/** Work of one plain training step: the median over the steps that the worker has reported, from the third on. */
async function work(lab) {
  const worker = await lab.worker();
  const reported = await worker.evaluate(() => globalThis.probe.sent.filter(({ event }) => /^(step|saved)$/.test(event)));
  const plain = reported.flatMap((now, i) => {
    const before = reported[i - 1];
    const steps = now.step - (before?.step ?? now.step);
    if (now.event !== "step" || now.step < 3 || steps < 1) return [];
    const of = (name) => (now[name] - before[name]) / steps;
    const [dispatches, submits, pipelines, buffers] = ["dispatches", "submits", "pipelines", "buffers"].map(of);
    return [{ dispatches, submits, pipelines, buffers, seconds: of("at") / 1e3 }];
  });
  const { seconds, ...counts } = Object.fromEntries(
    Object.keys(plain[0]).map((name) => [name, median(plain.map((step) => step[name]))]),
  );
  return { counts, seconds };
}

async function checkWork(lab, name, layers) {
  const { counts, seconds } = await work(lab);
  console.log(`${name} on WebGPU, one step: ${JSON.stringify(counts)}, ${seconds.toFixed(2)} s on this adapter`);
  const found = await growth(`gpu ${name}`, counts);
  if (counts.dispatches > 50 * layers) found.push(`${counts.dispatches} dispatches for ${layers} layers`);
  if (counts.submits > 8) found.push(`${counts.submits} submits a step`);
  if (counts.pipelines > 0) found.push(`${counts.pipelines} new pipelines a step`);
  if (counts.buffers > 0) found.push(`${counts.buffers} new buffers a step`);
  return found;
}

test("GPU work of a step of the nano model, and memory over minutes of it", { timeout: 900_000 }, () =>
  withLab({ settings: { ...NANO, ...LORA, device: "webgpu", steps: 5000 }, probe: true, flags: FLAGS }, async (lab) => {
    const WARM = 100;
    await lab.press("start");
    await lab.reach(WARM, 400_000);
    const before = await memory(lab);
    const from = await lab.step();
    const end = Date.now() + GPU_SECONDS * 1e3;
    await lab.until("the end of the observation", () => Date.now() > end, 2e3 * GPU_SECONDS);
    const held = grown(before, await memory(lab));
    console.log(`WebGPU: memory over ${(await lab.step()) - from} steps in ${GPU_SECONDS} s: ${held.summary}`);
    const found = await checkWork(lab, "nano", 2);
    if (held.share > GROWTH) found.push(`memory grew by ${held.summary}`);
    assert.deepEqual(found, []);
  }));

test("GPU work of a step of the built-in model", { timeout: 900_000 }, () =>
  withLab(
    { settings: { ...LORA, device: "webgpu", steps: 9, batch_size: 4, max_length: 16, train_examples: 256 }, probe: true },
    async (lab) => {
      await lab.press("start");
      await lab.reach(8, 800_000);
      assert.deepEqual(await checkWork(lab, "builtin", 4), []);
    },
  ));

test("training on the CPU leaves the main thread alone and does not eat memory", { timeout: 600_000 }, () =>
  withLab({ settings: { ...NANO, ...LORA, device: "cpu", steps: 5000 }, probe: true, flags: FLAGS }, async (lab) => {
    await lab.press("start");
    await lab.reach(600, 300_000);
    const before = await memory(lab);
    const from = await lab.step();
    await lab.reach(from + 2000, 300_000);
    const held = grown(before, await memory(lab));
    console.log(`CPU: memory over ${(await lab.step()) - from} steps: ${held.summary}`);
    // After that, for the browser's tracing takes memory of its own.
    const to = (await lab.step()) + 2000;
    const tasks = await mainThread(lab, () => lab.reach(to, 300_000));
    console.log(`CPU: ${tasks.summary}`);
    const found = [...tasks.faults];
    if (held.share > GROWTH) found.push(`memory grew by ${held.summary}`);
    assert.deepEqual(found, []);
  }));

/** How often the worker's code multiplies four numbers in one instruction: `f32x4.mul`, as it is encoded. */
const MULTIPLY = Buffer.from([0xfd, 0xe6, 0x01]);

test("either engine computes with SIMD", async () => {
  for (const name of ["apt-worker", "apt-worker-gpu"]) {
    const code = await readFile(join(DIST, `${name}_bg.wasm`));
    let found = 0;
    for (let at = code.indexOf(MULTIPLY); at >= 0; at = code.indexOf(MULTIPLY, at + 1)) found++;
    console.log(`${found} times f32x4.mul in ${name}`);
    // Three bytes that happen to be equal come once in sixteen million.
    assert.ok(found >= 100, `${found} times f32x4.mul in ${name}`);
  }
});
