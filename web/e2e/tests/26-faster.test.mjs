// With `auto` a few steps of a run are timed on the GPU and on the CPU, the faster is taken, and that is said with both times
// and remembered. The adapter here is software, made to look real; either device is made slower from outside the program.

import assert from "node:assert/strict";
import { test } from "node:test";
import { withLab } from "../support/lab.mjs";

const RUN = { model: "nano", preset: "lora", batch_size: 2, max_length: 8, train_examples: 64, steps: 2, device: "auto" };
const LIMIT_MS = 600_000;

/** The adapter calls itself a real one, and what is asked of its queue is counted. */
const REAL = `
  globalThis.submits = 0;
  const info = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, "info");
  Object.defineProperty(GPUAdapter.prototype, "info", {
    get() {
      const { subgroupMinSize, subgroupMaxSize } = info.get.call(this);
      const words = { vendor: "acme", architecture: "", device: "", description: "" };
      return { ...words, subgroupMinSize, subgroupMaxSize, isFallbackAdapter: false };
    },
  });
  const now = performance.now.bind(performance);
  const wait = (ms) => { for (const end = now() + ms; now() < end; ); };`;

/** Every submission to the GPU waits as well. */
const SLOW_GPU = (ms) => `
  const { submit } = GPUQueue.prototype;
  GPUQueue.prototype.submit = function (...commands) {
    submits++;
    wait(${ms});
    return submit.apply(this, commands);
  };`;

/** Whatever reads the clock waits, in the program that computes on the CPU alone: steps read it several times. */
const SLOW_CPU = (ms) => `
  if (self.name === "apt-worker") performance.now = () => (wait(${ms}), now());`;

/** The device is lost as soon as its steps are timed. */
const LOST = `
  let device;
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (...args) {
    return (device = await requestDevice.apply(this, args));
  };
  const post = globalThis.postMessage;
  globalThis.postMessage = function (message, ...more) {
    if (device && message[0]?.includes("timing steps on WebGPU")) device.destroy();
    return post.call(this, message, ...more);
  };`;

/** Opens the lab with a real adapter, and with workers in which something else is done first. */
async function visit(lab, before, settings) {
  await lab.beforeWorkers(`{${REAL}\n${before}}`);
  await lab.go({ ...RUN, ...settings });
}

/** Starts a run, in the place of one that may be over, and waits for what it is computed on. */
async function start(lab) {
  const name = async () => ((await lab.at("run-name").count()) ? lab.name() : "");
  const before = await name();
  await lab.press("start");
  await lab.until("a device", async () => (await name()) !== before && (await lab.at("backend").innerText()), LIMIT_MS);
  return { backend: await lab.at("backend").innerText(), why: await lab.at("device-why").innerText() };
}

/** What the browser remembers of steps. */
async function remembered(lab) {
  const rows = Object.entries(await lab.table("checks")).filter(([key]) => key.startsWith("steps "));
  return rows.flatMap(([, value]) => JSON.parse(value));
}

/** What the page has told so far. */
const notice = (lab) => lab.at("notice").innerText();

test("the faster device is taken", { timeout: 4 * LIMIT_MS }, (t) =>
  withLab({ complaints: true }, async (lab) => {
    await lab.visit.addInitScript(REAL);

    await t.test("where WebGPU is slower that is the CPU, and the next run begins at once", async () => {
      await visit(lab, SLOW_GPU(20));
      const first = await start(lab);
      console.log(first.why);
      assert.match(first.why, /^WebGPU (over )?[\d.]+ m?s a step, CPU [\d.]+ ms: the CPU is taken$/);
      assert.match(first.backend, /flex/);
      assert.ok((await notice(lab)).includes(`${first.why} for runs of this size. The setting device overrides this.`));
      const { provenance } = await lab.finished();
      const [{ gpu, cpu, size }] = await remembered(lab);
      assert.deepEqual(provenance.step_seconds, { cpu: cpu.ms / 1e3, webgpu: gpu.ms / 1e3 });
      assert.ok(cpu.ms < gpu.ms, `CPU ${cpu.ms} ms, WebGPU ${gpu.ms} ms`);
      assert.deepEqual([size.batch_size, size.length, size.workers], [RUN.batch_size, RUN.max_length, 1]);

      const submits = async () => (await lab.worker()).evaluate(() => globalThis.submits);
      const before = await submits();
      assert.ok(before > 0, "nothing was timed on WebGPU");
      assert.deepEqual(await start(lab), first);
      await lab.finished();
      assert.equal(await submits(), before, "steps were timed again");
    });

    await t.test("the setting overrides it", async () => {
      await visit(lab, "", { device: "webgpu" });
      const { backend, why } = await start(lab);
      assert.match(backend, /webgpu/);
      assert.equal(why, "");
    });

    await t.test("where the CPU is slower that is WebGPU", async () => {
      await visit(lab, SLOW_CPU(4_000), { batch_size: 3 });
      const { backend, why } = await start(lab);
      console.log(why);
      assert.match(why, /^WebGPU [\d.]+ m?s a step, CPU (over )?[\d.]+ m?s: WebGPU is taken$/);
      assert.match(backend, /webgpu/);
      const [{ gpu, cpu, size }] = await remembered(lab);
      assert.equal(size.batch_size, 3);
      assert.ok(cpu.ms > gpu.ms, `CPU ${cpu.ms} ms, WebGPU ${gpu.ms} ms`);
    });

    await t.test("where the GPU is lost while it is timed that is the CPU, which is said and not remembered", async () => {
      await visit(lab, LOST, { batch_size: 4 });
      const { backend, why } = await start(lab);
      assert.match(why, /^WebGPU failed while its steps were timed \(.+\)$/);
      assert.match(backend, /flex/);
      assert.ok((await notice(lab)).startsWith("This run uses the CPU: WebGPU failed"));
      assert.ok((await remembered(lab)).every(({ size }) => size.batch_size !== 4));
    });

    await t.test("both times stand on the Device page until the adapter is tested again", async () => {
      await visit(lab, "");
      await lab.visitPage("device");
      const rows = lab.at("step-times").locator("tbody tr");
      await rows.first().waitFor({ timeout: LIMIT_MS });
      const told = await rows.allInnerTexts();
      assert.deepEqual(told.map((row) => row.split("\t").at(-1)), ["WebGPU", "the CPU"]);
      assert.match(told[0], /^2 layers of width 32, 17 k parameters/);
      await lab.press("test-again");
      await lab.until("nothing to be remembered", async () => (await remembered(lab)).length === 0);
    });
  }));
