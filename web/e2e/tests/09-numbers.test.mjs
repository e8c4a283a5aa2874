// What may not grow unnoticed: GPU work of a step, size of the code, long tasks, memory. Counts and sizes are compared
// with baseline.json; `APT_BASELINE=write` writes it anew.

import assert from "node:assert/strict";
import { test } from "node:test";
import { growth } from "../support/baseline.mjs";
import { withLab } from "../support/lab.mjs";
import * as native from "../support/native.mjs";
import { sizes } from "../support/sizes.mjs";
import { longTasks } from "../support/tasks.mjs";

const NANO = { model: "nano", batch_size: 8, max_length: 16, train_examples: 256 };
/** No pruning, no teacher, no evaluation on the way: the plain step of an adapter run. */
const LORA = { preset: "lora", eval_every: 1000 };

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const mebi = (bytes) => `${(bytes / 2 ** 20).toFixed(2)} MiB`;

test("the code is no larger than it was, and at most 4 MB compressed", async () => {
  const { parts, total } = await sizes();
  for (const part of parts) {
    console.log(`${part.name}: ${mebi(part.raw)} raw, ${mebi(part.gzip)} gzip, ${mebi(part.brotli)} brotli`);
  }
  console.log(`all code: ${mebi(total.raw)} raw, ${mebi(total.gzip)} gzip, ${mebi(total.brotli)} brotli`);
  assert.deepEqual(await growth("sizes", { raw: total.raw, brotli: total.brotli }), []);
  assert.ok(total.brotli <= 4e6, `${total.brotli} bytes of code, compressed with brotli`);
});

/** Work of one plain training step: the median over the steps from the third on. */
async function work(settings, steps, limit) {
  let counts;
  await withLab({ settings: { ...settings, device: "webgpu", steps }, probe: true }, async (lab) => {
    await lab.press("start");
    await lab.reach(steps - 1, limit);
    const worker = await lab.worker();
    const told = await worker.evaluate(() => globalThis.probe.steps.filter((step) => step.event === "step"));
    const plain = told.slice(2).map((now, i) => ({
      dispatches: now.dispatches - told[i + 1].dispatches,
      submits: now.submits - told[i + 1].submits,
      pipelines: now.pipelines - told[i + 1].pipelines,
      buffers: now.buffers - told[i + 1].buffers,
      seconds: (now.at - told[i + 1].at) / 1e3,
    }));
    counts = Object.fromEntries(Object.keys(plain[0]).map((name) => [name, median(plain.map((step) => step[name]))]));
    counts.pipelinesInAll = told.at(-1).pipelines;
  });
  return counts;
}

async function checkWork(name, layers, settings, steps, limit) {
  const { seconds, ...counts } = await work(settings, steps, limit);
  console.log(`${name} on WebGPU, one step: ${JSON.stringify(counts)}, ${seconds.toFixed(2)} s on this adapter`);
  const found = await growth(`gpu ${name}`, counts);
  assert.deepEqual(found, []);
  assert.ok(counts.dispatches <= 150 * layers, `${counts.dispatches} dispatches for ${layers} layers`);
  assert.ok(counts.submits <= 8, `${counts.submits} submits a step`);
  assert.equal(counts.pipelines, 0, "new pipelines in a plain step");
  assert.equal(counts.buffers, 0, "new buffers in a plain step");
}

test("GPU work of a step of the nano model", { timeout: 600_000 }, () =>
  checkWork("nano", 2, { ...NANO, ...LORA }, 8, 400_000));

test("training leaves the main thread alone and does not eat memory", { timeout: 900_000 }, () =>
  withLab({ settings: { ...NANO, ...LORA, device: "cpu", steps: 2200 }, probe: true }, async (lab) => {
    const devtools = await lab.visit.newCDPSession(lab.page);
    const worker = await lab.worker();
    const used = async () => {
      await devtools.send("HeapProfiler.collectGarbage");
      const { usedSize } = await devtools.send("Runtime.getHeapUsage");
      return { page: usedSize, worker: await worker.evaluate(() => globalThis.probe.memory.buffer.byteLength) };
    };
    await lab.press("start");
    await lab.reach(200, 300_000);
    const before = await used();
    const tasks = await longTasks(lab, () => lab.reach(600, 300_000));
    await lab.reach(2200, 600_000);
    const after = await used();
    const grown = (name) => after[name] / before[name] - 1;
    console.log(`long tasks: ${tasks.summary}`);
    console.log(`memory over 2000 steps: worker ${mebi(before.worker)} to ${mebi(after.worker)} ` +
      `(${(100 * grown("worker")).toFixed(1)} %), page ${mebi(before.page)} to ${mebi(after.page)}`);
    assert.deepEqual(tasks.long, [], "long tasks on the main thread");
    assert.ok(grown("worker") <= 0.02, `the worker's memory grew from ${before.worker} to ${after.worker} bytes`);
    await lab.finished();
  }));

test("a step of the built-in model in WebAssembly takes at most 2.5 times the native one", { timeout: 600_000 }, () =>
  withLab({ settings: { ...LORA, device: "cpu", steps: 30, train_examples: 1024 } }, async (lab) => {
    const opened = Date.now();
    await lab.press("start");
    await lab.reach(1);
    const first = (Date.now() - opened) / 1e3;
    const ours = await lab.finished();
    const { record } = await native.run("lora", { device: "cpu", steps: 30, train_examples: 1024, eval_every: 1000 }, 1);
    const step = ({ curve }) => median(curve.slice(5).map((point, i) => point.seconds - curve[i + 4].seconds));
    const [here, there] = [step(ours), step(record)];
    console.log(`built-in model: first step ${first.toFixed(1)} s after start; ${(1e3 * here).toFixed(0)} ms a step in ` +
      `WebAssembly, ${(1e3 * there).toFixed(0)} ms natively on one thread (${(here / there).toFixed(2)} times)`);
    assert.ok(first <= 5, `${first} s to the first step`);
    assert.ok(here / there <= 2.5, `${here} s a step here, ${there} s natively`);
  }));
