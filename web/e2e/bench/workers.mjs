// A training step by one worker and by one for each core, in turn: cargo xtask bench-browser --workers.

import { availableParallelism } from "node:os";
import { withLab } from "../support/lab.mjs";

const CORES = Math.min(availableParallelism(), 8);
const ROUNDS = 3;
const KNOBS = { model: "builtin", preset: "lora", device: "cpu", steps: 300, batch_size: 32, max_length: 32, eval_every: 100_000 };
/** Steps until all workers have joined and every buffer is made. */
const WARM = 60;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const ms = (seconds) => (1e3 * seconds).toFixed(1);

/** Median seconds of a step of a run by so many workers, while a page of the lab is shown. */
async function step(lab, workers, page) {
  await lab.go({ ...KNOBS, shards: workers });
  await lab.state("ready");
  await lab.press("start");
  await lab.reach(1);
  if (page) await lab.visitPage(page);
  // Looked for seldom: whatever asks takes from the cores.
  let records = [];
  while (!records.length) {
    await lab.page.waitForTimeout(2_000);
    records = Object.values(await lab.records());
  }
  const { curve } = JSON.parse(records[0]);
  return median(curve.slice(WARM).map((point, i) => point.seconds - curve[i + WARM - 1].seconds));
}

for (const [shown, page] of [["the run", undefined], ["Compare", "compare"]]) {
  const [one, all] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [workers, times] of [[1, one], [CORES, all]]) {
      await withLab({}, async (lab) => times.push(await step(lab, workers, page)));
    }
  }
  const ratio = median(one) / median(all);
  console.log(
    `while the page shows ${shown}: a step of one worker ${one.map(ms).join(", ")} ms, of ${CORES} ${all.map(ms).join(", ")} ms: ` +
      `${ratio.toFixed(2)} times as fast (${(ratio / CORES).toFixed(2)} n)`,
  );
}
