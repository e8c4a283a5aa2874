// The CPU backend's products take what the engine has, relaxed SIMD, SIMD or neither, say which, and agree with the desktop.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { withLab } from "../support/lab.mjs";
import * as native from "../support/native.mjs";
import { DIST } from "../support/paths.mjs";
import { sameLosses } from "../support/same.mjs";
import { BASE } from "../support/server.mjs";

const STEPS = 20;
// No width is a multiple of a tile's.
const KNOBS = { model: "builtin", steps: STEPS, batch_size: 7, train_examples: 256, rank: 5, eval_every: 1000 };

/** A worker in which the first modules that are compiled from bytes, or their functions, are not what they should be. */
async function engine(spoil) {
  const start = await readFile(`${DIST}/start-worker.js`, "utf8");
  return { [`${BASE}start-worker.js`]: { type: "text/javascript", body: `${spoil}\n${start}` } };
}

/** An engine that knows as many of the modules less as this says: relaxed SIMD is asked for first. */
const refuses = (count) => `
  const Own = WebAssembly.Module;
  let refused = 0;
  WebAssembly.Module = function (bytes) {
    if (refused++ < ${count}) throw new WebAssembly.CompileError("invalid SIMD opcode");
    return new Own(bytes);
  };
  WebAssembly.Module.prototype = Own.prototype;`;

/** An engine whose relaxed multiply-add gives something else: it is asked for once, and is not used. */
const WRONG = `
  const Own = WebAssembly.Instance;
  let made = 0;
  WebAssembly.Instance = function (module, imports) {
    const instance = new Own(module, imports);
    if (made++ > 0) return instance;
    const { rows1, rows2, rows3, rows4, rows6 } = instance.exports;
    return { exports: { rows1, rows2, rows3, rows4, rows5: rows4, rows6 } };
  };
  WebAssembly.Instance.prototype = Own.prototype;`;

const desktop = native.run("lora", { ...KNOBS, device: "cpu" });

for (const [name, spoil, vectors, said] of [
  ["relaxed SIMD", "", "relaxed-simd", /relaxed SIMD$/],
  ["an engine without it", refuses(1), "simd128", /, SIMD$/],
  ["an engine that accepts no module", refuses(2), "simd128", /, SIMD$/],
  ["relaxed SIMD that gives other sums", WRONG, "simd128", /, SIMD$/],
]) {
  test(`${name}: products are those of the desktop`, async () =>
    withLab({ settings: { preset: "lora", ...KNOBS, device: "cpu" }, files: await engine(spoil) }, async (lab) => {
      await lab.press("start");
      const ours = await lab.finished();
      const worst = sameLosses(ours, (await desktop).record, STEPS, 1e-4);
      assert.equal(ours.provenance.simd, vectors);
      assert.match(ours.provenance.device, said);
      console.log(`${name}: ${ours.provenance.device}; losses within ${worst.toExponential(1)}`);
    }));
}
