// How long the first step takes from opening the page, and a training step beside the native one: cargo xtask bench-browser.

import { withLab } from "../support/lab.mjs";
import * as native from "../support/native.mjs";
import { stepSeconds } from "../support/times.mjs";

const PLAIN = { eval_every: 100_000 };
const BUILTIN = { device: "cpu", steps: 30, train_examples: 1024 };

const step = (record) => stepSeconds(record, 5);

await withLab({}, async (lab) => {
  const opened = performance.now();
  await lab.go({ preset: "lora", ...PLAIN, ...BUILTIN });
  await lab.press("start");
  await lab.reach(1);
  const first = (performance.now() - opened) / 1e3;
  const here = step(await lab.finished());
  const { record } = await native.run("lora", { ...PLAIN, ...BUILTIN }, 1);
  const there = step(record);
  console.log(`built-in model on the CPU: ${first.toFixed(1)} s from opening the page to the first step`);
  console.log(
    `a step takes ${(1e3 * here).toFixed(0)} ms in WebAssembly and ${(1e3 * there).toFixed(0)} ms natively on one ` +
      `thread (${(here / there).toFixed(2)} times)`,
  );
});
