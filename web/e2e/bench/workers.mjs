// A training step by one worker, by one for each core, and as fast as these cores could make it: with as many runs at once as
// there are cores, each of a batch as large as a worker's part. In turn: cargo xtask bench-browser --workers.

import { availableParallelism } from "node:os";
import { withLab } from "../support/lab.mjs";
import { median, stepSeconds } from "../support/times.mjs";

const CORES = Math.min(availableParallelism(), 8);
const ROUNDS = 3;
const BATCH = 32;
/** Sequences of the worker that has most. */
const PART = Math.ceil(BATCH / CORES);
const KNOBS = { model: "builtin", preset: "lora", device: "cpu", steps: 300, batch_size: BATCH, max_length: 32, eval_every: 100_000 };
/** Steps until all workers have joined and every buffer is made. */
const WARM = 60;

const ms = (seconds) => (1e3 * seconds).toFixed(1);

/** Median seconds of a step of runs with these settings that one visitor starts at once, while a page of the lab is shown. */
async function step(lab, page, runs) {
  const tabs = [lab];
  while (tabs.length < runs.length) tabs.push(await lab.beside());
  for (const [i, tab] of tabs.entries()) {
    await tab.go({ ...KNOBS, seed: i + 1, ...runs[i] });
    await tab.state("ready");
  }
  for (const tab of tabs) {
    await tab.press("start");
    await tab.reach(1);
    if (page) await tab.visitPage(page);
  }
  // Looked for seldom: whatever asks takes from the cores.
  let records = [];
  while (records.length < runs.length) {
    await lab.page.waitForTimeout(2_000);
    records = Object.values(await lab.records());
  }
  return median(records.map((record) => stepSeconds(JSON.parse(record), WARM)));
}

for (const [shown, page] of [["the run", undefined], ["Compare", "compare"]]) {
  const kinds = [
    ["one worker", [{ shards: 1 }], []],
    [`${CORES} workers`, [{ shards: CORES }], []],
    [`${CORES} runs at once, of batches of ${PART}`, Array(CORES).fill({ shards: 1, batch_size: PART }), []],
  ];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [, runs, times] of kinds) await withLab({}, async (lab) => times.push(await step(lab, page, runs)));
  }
  const one = median(kinds[0][2]);
  console.log(`while the page shows ${shown}, a step of`);
  for (const [words, , times] of kinds) {
    const ratio = one / median(times);
    console.log(`  ${words}: ${times.map(ms).join(", ")} ms, ${ratio.toFixed(2)} times as fast (${(ratio / CORES).toFixed(2)} n)`);
  }
}
