// A training step by one worker, by one for each core, and as fast as these cores could make it: with as many runs at once as
// there are cores, each of a batch as large as a worker's part. In turn. Then what more cores than there are would give:
// cargo xtask bench-browser --workers.

import { availableParallelism } from "node:os";
import { withLab } from "../support/lab.mjs";
import { median, stepSeconds } from "../support/times.mjs";

const CORES = Math.min(availableParallelism(), 8);
const ROUNDS = 3;
const BATCH = 32;
/** Sequences of the worker that has most. */
const PART = Math.ceil(BATCH / CORES);
/** Numbers of cores that are computed with, not had. */
const MORE = [4, 8];
/** Floats of a gradient: adapters of rank 8 on all six linear layers of every layer, and the head. */
const FLOATS = { builtin: 90_498, minilm: 480_386 };
const KNOBS = { model: "builtin", preset: "lora", device: "cpu", steps: 300, batch_size: BATCH, max_length: 32, eval_every: 100_000 };
/** Steps until all workers have joined and every buffer is made. */
const WARM = 60;

const ASK_EVERY_MS = 2_000;
const HOUR_MS = 3_600_000;
/** Exchanges that are timed, after a tenth as many that are not. */
const EXCHANGES = 400;

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
  const done = async () => (records = Object.values(await lab.records())).length >= runs.length;
  await lab.until("the records", done, HOUR_MS, ASK_EVERY_MS);
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

/**
 * Milliseconds of each of `rounds` exchanges among `n` workers that do nothing else, as in a step: each of the others sends a
 * gradient of so many floats to the one that leads, which adds them up in order and sends each the sum.
 */
async function exchange([n, floats, rounds]) {
  const told = "onmessage = ({ data }) => { const own = new Float32Array(data.length).fill(1); postMessage(own, [own.buffer]); };";
  const address = URL.createObjectURL(new Blob([told], { type: "text/javascript" }));
  const helpers = Array.from({ length: n - 1 }, () => new Worker(address));
  const answer = (helper) => new Promise((resolve) => (helper.onmessage = ({ data }) => resolve(data)));
  const times = [];
  let sum = new Float32Array(floats);
  for (let at = 0; at < rounds; at++) {
    const begun = performance.now();
    const answers = helpers.map(answer);
    for (const helper of helpers) {
      const copy = sum.slice();
      helper.postMessage(copy, [copy.buffer]);
    }
    sum = new Float32Array(floats);
    for (const one of answers) {
      const part = await one;
      for (let i = 0; i < floats; i++) sum[i] += part[i];
    }
    times.push(performance.now() - begun);
  }
  for (const helper of helpers) helper.terminate();
  return times;
}

// What more workers would make of it, each with a core of its own: one worker's step with their part of the batch, and the
// exchange among so many, which do nothing else meanwhile.
const alone = async (settings) => {
  const times = [];
  for (let round = 0; round < ROUNDS; round++) await withLab({}, async (lab) => times.push(await step(lab, "compare", [settings])));
  return median(times);
};
const whole = await alone({ shards: 1 });
for (const n of MORE) {
  const part = await alone({ shards: 1, batch_size: BATCH / n });
  await withLab({}, async (lab) => {
    // The lab's own page makes no workers of texts.
    const bare = await lab.visit.newPage();
    const timed = async (floats) => {
      const times = await bare.evaluate(exchange, [n, floats, 1.1 * EXCHANGES]);
      return median(times.slice(0.1 * EXCHANGES)) / 1e3;
    };
    const [own, larger] = [await timed(FLOATS.builtin), await timed(FLOATS.minilm)];
    const ratio = whole / (part + own);
    console.log(
      `computed for ${n} cores: ${ms(part)} ms for a part and ${ms(own)} for the exchange, beside ${ms(whole)} by one ` +
        `worker: ${ratio.toFixed(2)} times as fast (${(ratio / n).toFixed(2)} n; ${(whole / part / n).toFixed(2)} without any exchange); ` +
        `the exchange of MiniLM-L6's gradient takes ${ms(larger)} ms`,
    );
  });
}
