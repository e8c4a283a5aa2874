// Both devices of the browser train as the desktop's CPU does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { entries } from "../support/archive.mjs";
import { withLab } from "../support/lab.mjs";
import * as native from "../support/native.mjs";
import { sameAnswers, sameLosses, sameMasks } from "../support/same.mjs";

const STEPS = 20;
/** All pruning points lie within the few steps that the software adapter can make. */
const KNOBS = {
  model: "nano", steps: STEPS + 4, batch_size: 8, max_length: 16, train_examples: 256,
  tune_first: 0, prune_fraction: 0.6, num_prunings: 3, eval_every: 24, mask_step: 0.25,
};

async function agrees(lab, device) {
  const theirs = native.run("apt", { ...KNOBS, device: "cpu" });
  await lab.press("start");
  const ours = await lab.finished(600_000);
  const { record } = await theirs;
  const worst = sameLosses(ours, record, STEPS, 1e-3);
  const points = sameMasks(ours, record);
  assert.ok(points >= 3, `only ${points} pruning points`);
  assert.ok(sameAnswers(ours, record, 5e-3) > 0, "no answers are recorded");
  const said = (run) => run.pruning_points.map((point) => Object.keys(point.outliers?.factors ?? {}).length);
  assert.deepEqual(said(ours), said(record), "√kurtosis is not recorded at the same points");
  assert.equal(said(ours)[0], 3, "the first point does not say √kurtosis");
  const seconds = ours.curve.at(-1).seconds;
  console.log(`${device}: ${ours.provenance.device}; losses within ${worst.toExponential(1)}, ${points} pruning ` +
    `points equal, ${seconds.toFixed(2)} s for ${ours.curve.length} steps (native ${record.curve.at(-1).seconds.toFixed(2)} s)`);
  return ours;
}

test("the CPU backend in WebAssembly agrees with the desktop", () =>
  withLab({ settings: { ...KNOBS, device: "cpu" } }, async (lab) => {
    const { provenance } = await agrees(lab, "cpu");
    assert.equal(provenance.backend, "flex");
    assert.match(provenance.device, /SIMD/);
    await lab.at("exports").locator("summary").click();
    const files = entries(await lab.bytes("export-onnx"));
    assert.deepEqual([...files.keys()], ["config.json", "tokenizer.json", "tokenizer_config.json", "onnx/model.onnx"]);
    assert.deepEqual(Object.keys(JSON.parse(files.get("config.json")).id2label), ["0", "1"]);
    assert.ok(files.get("onnx/model.onnx").includes("LayerNormalization"), "the graph has no norm");
  }));

test("WebGPU agrees with the desktop's CPU", () =>
  withLab({ settings: { ...KNOBS, device: "webgpu" } }, async (lab) => {
    const { provenance } = await agrees(lab, "webgpu");
    assert.equal(provenance.backend, "wgpu/webgpu");
    assert.match(await lab.at("backend").textContent(), /webgpu/i);
  }));
