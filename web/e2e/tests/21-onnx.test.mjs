// The ONNX download of a run is opened by transformers.js in the same browser, which answers as the page Try does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { entries } from "../support/archive.mjs";
import { withLab } from "../support/lab.mjs";
import { classify, missing } from "../support/transformers.mjs";

/** Enough to prune the built-in model and to teach it something. */
const RUN = { device: "cpu", steps: 256 };
const TEXT = "The soup was cold but the waiter was kind and quick.";

test("transformers.js answers with the ONNX download as the page Try does", { skip: missing, timeout: 600_000 }, () =>
  withLab({ settings: RUN }, async (lab) => {
    await lab.press("start");
    const record = await lab.finished();
    assert.ok(record.pruning_points.length > 1, "nothing was pruned");
    await lab.at("exports").locator("summary").click();
    const whole = entries(await lab.bytes("export-onnx"));
    const half = entries(await lab.bytes("export-onnx-fp16"));

    await lab.visitPage("try");
    await lab.at("try-text").fill(TEXT);
    const shown = lab.page.locator("[data-testid=try-answer]:not(.stale) .verdict").first();
    await shown.waitFor();
    const rows = await shown.locator("tbody tr").evaluateAll((rows) =>
      rows.map((row) => [row.querySelector("th").innerText, row.querySelector(".number").innerText]),
    );
    const said = Object.fromEntries(rows.map(([label, share]) => [label, parseFloat(share) / 100]));
    assert.ok(rows.length === 2 && Math.max(...Object.values(said)) > 0.6, `it has learned too little: ${JSON.stringify(rows)}`);

    for (const [files, dtype, allowed] of [[whole, "fp32", 1e-3], [half, "fp16", 5e-3]]) {
      const { answer, outside } = await classify(lab.visit, files, TEXT, dtype);
      console.log(`${dtype}: ${JSON.stringify(answer)}; the page: ${JSON.stringify(said)}`);
      assert.deepEqual(outside, [], "transformers.js asked another host");
      assert.deepEqual(answer.map(({ label }) => label).sort(), Object.keys(said).sort());
      for (const { label, score } of answer) {
        assert.ok(Math.abs(score - said[label]) <= allowed, `${dtype}: ${label} is ${score} there and ${said[label]} here`);
      }
    }
    // The pages that transformers.js opened are not the lab's.
    lab.outside.length = 0;
  }));
