// Several workers make one run: the numbers are those of as many shards on one worker, also when a worker is lost on the way,
// and those of the desktop.

import assert from "node:assert/strict";
import { test } from "node:test";
import { withLab } from "../support/lab.mjs";
import * as native from "../support/native.mjs";
import { sameLosses, sameMasks, withoutTimes } from "../support/same.mjs";

const STEPS = 50;
const KNOBS = { model: "builtin", steps: STEPS, batch_size: 32, train_examples: 512, eval_every: 10, density: 0.4, device: "cpu" };

/** Says that the computer has so many processors. */
const processors = (count) => `Object.defineProperty(WorkerNavigator.prototype, "hardwareConcurrency", { get: () => ${count} });`;

/** A run in the tab; `during` is given the lab while it goes on. */
async function run(shards, workers, during = async () => {}, complaints = false) {
  let record;
  await withLab({ complaints, settings: { preset: "apt", ...KNOBS, shards } }, async (lab) => {
    await lab.beforeWorkers(processors(workers));
    await lab.reload();
    if (workers > 1) {
      const each = `in each of ${Math.min(shards, workers)} workers`;
      await lab.until(each, async () => (await lab.at("estimate").first().textContent()).includes(each));
    }
    await lab.press("start");
    await during(lab);
    record = await lab.finished();
  });
  return record;
}

/** What of a record does not depend on who computed it. */
function numbers(record) {
  const { curve, pruning_points, evaluations, metric } = withoutTimes(record);
  return { curve, pruning_points, evaluations, metric };
}

/** Whether the record says that a worker was lost. */
const saysGone = ({ warnings }) => warnings.some((warning) => warning.includes("a worker of this run is gone"));

/** What the page has told so far. */
async function notices(lab) {
  return (await lab.at("notice").allInnerTexts()).join("\n");
}

/** The workers that help, once there are so many. */
async function helpers(lab, count) {
  const of = () => lab.page.workers().filter((worker) => worker.url().includes("start-worker"));
  await lab.until(`${count} helpers`, async () => of().length > count);
  return of().slice(1);
}

test("shards give the whole batch's numbers, the desktop's, and on more workers the same bits", { timeout: 600_000 }, async () => {
  const whole = await run(1, 1);
  for (const shards of [2, 4]) {
    const alone = await run(shards, 1);
    const worst = sameLosses(alone, whole, STEPS, 1e-3);
    assert.ok(sameMasks(alone, whole) > 0);
    let told = "";
    const together = await run(shards, shards, async (lab) => {
      await lab.until("helpers at work", async () => /workers make this run/.test((told = await notices(lab))));
    });
    assert.match(told, new RegExp(`on ${shards} workers make this run`));
    assert.equal(together.provenance.threads, shards);
    assert.match(together.provenance.device, new RegExp(`one thread in each of up to ${shards} workers`));
    assert.deepEqual(numbers(together), numbers(alone), `${shards} shards on ${shards} workers`);
    const { record } = await native.run("apt", { ...KNOBS, shards });
    const beside = sameLosses(together, record, STEPS, 1e-3);
    sameMasks(together, record);
    console.log(told.match(/From step [^.]*/)?.[0]);
    console.log(`${shards} shards: losses within ${worst.toExponential(1)} of the whole batch, ${beside.toExponential(1)} of the desktop`);
  }
});

test("a helper that fails at its work leaves a run that goes on", { timeout: 300_000 }, async () => {
  const alone = await run(2, 1);
  const fails = await run(2, 2, async (lab) => {
    const [first] = await helpers(lab, 1);
    await lab.reach(STEPS / 2);
    await first.evaluate(() => void setTimeout(() => { throw new Error("a fault of its own"); }));
  }, true);
  assert.deepEqual(numbers(fails), numbers(alone));
  assert.ok(saysGone(fails), "nothing is said of it");
});

test("a worker that is lost in the middle changes no number, and is told of", { timeout: 300_000 }, async () => {
  const alone = await run(4, 1);
  const led = await run(4, 3, async (lab) => {
    const [first] = await helpers(lab, 2);
    await lab.reach(STEPS / 2);
    await first.evaluate(() => self.close());
  });
  assert.deepEqual(numbers(led), numbers(alone));
  assert.ok(saysGone(led), "nothing is said of it");
});
