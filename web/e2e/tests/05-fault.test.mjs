// A kernel that the browser rejects is only logged there, and stale numbers come back. The run must end with the reason,
// and no point of a chart may come after.

import assert from "node:assert/strict";
import { test } from "node:test";
import { withLab } from "../support/lab.mjs";

const RUN = { model: "nano", device: "webgpu", steps: 40, batch_size: 8, max_length: 16, train_examples: 256 };

test("a failing shader ends the run, and no step is shown after it", () =>
  withLab({ settings: RUN, probe: true, complaints: true }, async (lab) => {
    await lab.press("start");
    await lab.reach(2, 300_000);
    const worker = await lab.worker();
    const sent = await worker.evaluate(() => {
      globalThis.probe.breakPipelines = true;
      return globalThis.probe.sent.filter((step) => step.event === "step").length;
    });
    const fault = await lab.faulted(120_000);
    assert.match(`${fault.what} ${fault.where}`, /shader|kernel|pipeline/i);
    assert.ok(fault.remedy.length > 10, `no remedy: ${fault.remedy}`);
    assert.equal(await lab.now(), "failed");
    const after = await worker.evaluate(() => globalThis.probe.sent.filter((step) => step.event === "step").length);
    // The shader breaks between two steps; the step that was just being sent may still arrive.
    assert.ok(after - sent <= 1, `${after - sent} steps were sent after the shader failed`);
    assert.equal(Object.keys(await lab.records()).length, 0, "a failed run left a record");
  }));
