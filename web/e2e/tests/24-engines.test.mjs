// The engine for the GPU is twice as much to load as that for the CPU: it is loaded where a GPU is asked for, and only there.

import assert from "node:assert/strict";
import { test } from "node:test";
import { launch } from "../support/browser.mjs";
import { Lab, withLab } from "../support/lab.mjs";
import { DIST } from "../support/paths.mjs";
import { serve } from "../support/server.mjs";

const NANO = { model: "nano", preset: "lora", batch_size: 8, max_length: 16, train_examples: 256 };
const LONG = { ...NANO, device: "cpu", steps: 100_000, eval_every: 100_000 };

/** Which engines the server was asked for. */
const engines = (lab) =>
  ["apt-worker", "apt-worker-gpu"].filter((name) => lab.server.asked.some((path) => path.endsWith(`/${name}_bg.wasm`)));

/** Has the page, and not its workers, see an adapter that is no software. */
async function pretendGpu(lab) {
  await lab.visit.addInitScript(() => {
    const info = { vendor: "acme", architecture: "", device: "", description: "", isFallbackAdapter: false };
    navigator.gpu.requestAdapter = async () => ({ info, limits: {}, features: new Set() });
  });
}

test("without an adapter the engine for the GPU is never loaded", () =>
  withLab({ settings: { ...NANO, device: "auto", steps: 4 } }, async (lab) => {
    await lab.visit.addInitScript(() => Object.defineProperty(Navigator.prototype, "gpu", { value: undefined }));
    await lab.reload();
    lab.server.asked.length = 0;
    await lab.press("start");
    const { provenance } = await lab.finished();
    assert.equal(provenance.backend, "flex");
    assert.deepEqual(engines(lab).filter((name) => name !== "apt-worker"), []);
  }));

test("a software adapter is not worth its engine to `auto`; the Device page tests it, while a run goes on", () =>
  withLab({ settings: { ...LONG, device: "auto" } }, async (lab) => {
    await lab.press("start");
    await lab.reach(5);
    assert.deepEqual(engines(lab), ["apt-worker"]);
    await lab.visitPage("device");
    await lab.at("checks").waitFor({ timeout: 300_000 });
    assert.match(await lab.at("device-verdict").textContent(), /can use the GPU/);
    assert.deepEqual(engines(lab), ["apt-worker", "apt-worker-gpu"]);
    await lab.visitPage("lab");
    const before = await lab.step();
    await lab.reach(before + 20);
    assert.equal(await lab.now(), "running");
    await lab.until("one worker", () => lab.page.workers().length === 1);
  }));

test("a run on WebGPU takes the place of one on the CPU, which is kept", () =>
  withLab({ settings: LONG }, async (lab) => {
    await lab.press("start");
    await lab.reach(20);
    const first = await lab.name();
    await lab.press("stop");
    await lab.state("closed");
    await lab.press("settings");
    await lab.at("knob-device").selectOption("webgpu");
    await lab.press("settings-close");
    await lab.press("start");
    await lab.until("another run", async () => (await lab.name()) !== first);
    await lab.reach(2, 300_000);
    assert.match(await lab.at("backend").textContent(), /webgpu/i);
    assert.deepEqual(engines(lab), ["apt-worker", "apt-worker-gpu"]);
    assert.equal(lab.page.workers().length, 1, "the worker for the CPU is still there");
    const steps = (await lab.events(first)).filter(({ event }) => event === "step");
    assert.ok(steps.length >= 20, `${steps.length} steps of the first run are kept`);
  }));

test("where there is a GPU its engine is loaded at once, and kept for use without a network", async () => {
  const server = await serve(DIST);
  const browser = await launch();
  try {
    const lab = await Lab.open(browser, server, { offline: true, settings: { ...NANO, device: "cpu", steps: 4 } });
    await pretendGpu(lab);
    server.asked.length = 0;
    await lab.go({ ...NANO, device: "auto", steps: 4 });
    await lab.state("ready");
    const kept = () => lab.page.evaluate(async () => (await caches.match("./apt-worker-gpu_bg.wasm")) !== undefined);
    await lab.until("the engine to be kept", kept);
    await server.stop();
    await lab.reload();
    await lab.press("start");
    // The worker sees the real adapter, which is software.
    assert.equal((await lab.finished()).provenance.backend, "flex");
    lab.assertQuiet();
  } finally {
    await browser.close();
  }
});

test("an engine for the GPU that cannot be loaded leaves the one for the CPU, and a notice", () =>
  withLab({ settings: { ...NANO, device: "cpu", steps: 4 }, complaints: true }, async (lab) => {
    await pretendGpu(lab);
    await lab.visit.route("**/apt-worker-gpu_bg.wasm", (route) => route.abort());
    await lab.go({ ...NANO, device: "auto", steps: 4 });
    await lab.page.getByText("The engine for the GPU could not be started", { exact: false }).first().waitFor();
    await lab.press("start");
    assert.equal((await lab.finished()).provenance.backend, "flex");
  }));
