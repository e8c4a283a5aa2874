// A study is queued in the page, goes on after a reload, and says what the desktop's study says.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { HOSTILE_MODELS, easy } from "../support/files.mjs";
import { withLab } from "../support/lab.mjs";
import * as native from "../support/native.mjs";
import { withoutTimes } from "../support/same.mjs";

// Few steps: rounding differs between the machines' vectors, and with more steps it would grow until an example flips.
const SMALL = { model: "nano", device: "cpu", steps: 48, batch_size: 16, max_length: 16, eval_every: 8 };
// The built-in task is beyond the nano model: this one is easy enough that arms and seeds come out differently.
const STUDY = { study: "salience", seeds: 2, ...SMALL, learning_rate: 0.005, task: "text", data: "easy.csv" };
const CELLS = 16;
const LIMIT = 600_000;

const progress = (lab, name = "salience") => lab.at(`study-progress-${name}`).textContent();
const done = async (lab, name) => Number(/^(\d+) of/.exec(await progress(lab, name))?.[1] ?? -1);

/** The report's tables without what depends on the machine: arm, N, metrics, differences and verdict, sizes, steps. */
function judged(report) {
  const machine = /seconds|bytes|latency|throughput|memory_time/;
  const groups = report.sections.flatMap(({ groups }) => groups);
  const pick = (values) => Object.fromEntries(Object.entries(values).filter(([key]) => !machine.test(key)));
  const sections = report.sections.map(({ target, tables }) => ({
    target,
    rows: tables.flatMap(({ title, rows }) =>
      rows.map(({ name, n, count, is_base, differences }) => ({ title, name, n, count, is_base, differences: pick(differences) })),
    ),
  }));
  return {
    sections,
    groups: groups.map(({ arm, density, seeds_asked, summaries }) => ({ arm, density, seeds_asked, summaries: pick(summaries) })),
  };
}

/** Compares numbers to 1e-6 and everything else exactly. */
function assertClose(actual, expected, at = "") {
  if (typeof actual === "number" && typeof expected === "number") {
    assert.ok(Math.abs(actual - expected) <= 1e-6 * Math.max(1, Math.abs(expected)), `${at}: ${actual}, not ${expected}`);
  } else if (actual && expected && typeof actual === "object" && typeof expected === "object") {
    assert.deepEqual(Object.keys(actual), Object.keys(expected), at);
    for (const key of Object.keys(actual)) assertClose(actual[key], expected[key], `${at}/${key}`);
  } else {
    assert.equal(actual, expected, at);
  }
}

test("a study from the address runs through a reload, and its table is the desktop's", () =>
  withLab({}, async (lab) => {
    await lab.bring("files", [{ name: STUDY.data, body: easy(), type: "text/csv" }]);
    await lab.until("the file to be kept", async () => STUDY.data in (await lab.table("files")));
    // The address opens Compare with the study chosen.
    await lab.go(STUDY);
    await lab.at("page-compare").waitFor();
    assert.match(await lab.at("study-plan").textContent(), new RegExp(`${CELLS} runs.*apt-lab study salience --seeds 2`));
    await lab.press("study-run");
    await lab.until("three runs", async () => (await done(lab)) >= 3, LIMIT);
    assert.match(await lab.at("study-work-salience").textContent(), /run \d+ of 16: .*seed 1; about .* left/);
    const before = await lab.records();
    // No goodbye: the tab is simply gone while a cell is being made.
    await lab.reload();
    await lab.at("resume-study").waitFor();
    assert.equal(await lab.at("resume-stored").count(), 0, "the cell alone is not offered beside its study");
    await lab.press("resume-study");
    await lab.until("the end of the study", async () => (await done(lab)) === CELLS, LIMIT);
    const after = await lab.records();
    assert.equal(Object.keys(after).length, CELLS);
    for (const [name, record] of Object.entries(before)) assert.equal(after[name], record, `${name} was made twice`);
    assert.deepEqual(Object.keys(await lab.table("models")), [], "a study keeps no models");

    await lab.press("study-report-salience");
    // The answer first, and the whole report beside it.
    await lab.at("answer").locator("tbody tr").first().waitFor();
    await lab.tab("report");
    const here = JSON.parse(await lab.download("report-json"));
    const folder = await mkdtemp(join(tmpdir(), "apt-lab-"));
    try {
      // The same bytes at another path: the same experiment.
      await mkdir(join(folder, "elsewhere"));
      await writeFile(join(folder, "elsewhere", "sentences.csv"), easy());
      const { study, ...knobs } = { ...STUDY, data: "elsewhere/sentences.csv" };
      const flags = Object.entries(knobs).map(([name, value]) => `--${name.replaceAll("_", "-")}=${value}`);
      await native.labIn(folder, "study", study, ...flags, "--out", "study");
      const there = JSON.parse(await readFile(join(folder, "study", "report.json"), "utf8"));
      assert.deepEqual([here.title, here.compared], [there.title, there.compared]);
      assertClose(judged(here), judged(there));
      const accuracies = there.sections[0].groups.map(({ summaries }) => summaries.validation.mean);
      assert.ok(new Set(accuracies).size > 2, `too much alike to compare: ${accuracies}`);
      const shown = await lab.at("report").locator("table").first().locator("tbody tr").count();
      assert.equal(shown, 7, "seven scorers");

      // A desktop's record of a run of this study stands for it, and nothing is run again.
      const cells = here.sections[0].groups.flatMap(({ runs }) => runs.map(({ name }) => name));
      const random = cells.find((name) => name.startsWith("random") && name.includes("-s2-"));
      await lab.tab("runs");
      await lab.at(`delete-${random}`).click();
      await lab.at(`delete-${random}`).click();
      await lab.until("its removal", async () => !(random in (await lab.records())));
      await lab.bring("import", [
        { name: "elsewhere.json", body: await readFile(join(folder, "study", "cells", random, "record.json")), type: "application/json" },
      ]);
      await lab.until("the record", async () => "elsewhere" in (await lab.records()));
      await lab.tab("studies");
      assert.equal(await lab.at("study-go-salience").getAttribute("aria-disabled"), "false", "its cell is no longer done");
      await lab.press("study-go-salience");
      await lab.until("the whole study", async () => (await done(lab)) === CELLS);
      assert.equal(Object.keys(await lab.records()).length, CELLS, "the cell was run again");
      await lab.tab("report");
      const merged = JSON.parse(await lab.download("report-json"));
      assert.equal(merged.sections.length, 1);
      assert.equal(merged.sections[0].several_devices, true, "times of two machines are marked");
      assertClose(judged(merged), judged(there));
    } finally {
      await rm(folder, { recursive: true });
    }
  }));

test("two tabs go through one study together, and no run is made twice", () =>
  // Runs that take long enough for both tabs to have some.
  withLab({ settings: { ...SMALL, steps: 192, study: "tuning", seeds: 2 } }, async (lab) => {
    await lab.press("study-run");
    await lab.until("a run", async () => (await done(lab, "tuning")) >= 1, LIMIT);
    const other = await lab.beside({ ...SMALL, steps: 192, study: "tuning", seeds: 2 });
    await other.press("resume-study");
    const rests = async (tab) => (await tab.at("study-stop-tuning").getAttribute("aria-disabled")) === "true";
    await lab.until("the study in both tabs", async () => !(await rests(lab)) && !(await rests(other)));
    await lab.until("the end of both", async () => (await rests(lab)) && (await rests(other)), LIMIT);
    const runs = Object.values(await lab.table("runs")).map((run) => JSON.parse(run));
    assert.deepEqual(runs.map(({ state }) => state), Array(8).fill("done"), "a run was left");
    assert.equal(Object.keys(await lab.records()).length, 8);
    // Whichever ended first does not know of the last runs of the other, and finds them when it looks again.
    if ((await done(lab, "tuning")) < 8) await lab.press("study-go-tuning");
    await lab.until("the whole study", async () => (await done(lab, "tuning")) === 8);
    assert.deepEqual([await lab.fault(), await other.fault()], [null, null]);
    assert.deepEqual(other.complaints, []);
  }));

test("runs at the same time are those that one after the other would be, through a stop and the loss of a worker", () => {
  // Runs that take long enough to be stopped in.
  const small = { ...SMALL, steps: 240, study: "tuning", seeds: 2 };
  const numbers = (records) => Object.fromEntries(Object.entries(records).map(([name, record]) => {
    const { curve, pruning_points, evaluations, metric } = withoutTimes(JSON.parse(record));
    return [name, { curve, pruning_points, evaluations, metric }];
  }));
  const three = 'Object.defineProperty(WorkerNavigator.prototype, "hardwareConcurrency", { get: () => 3 });';
  const workers = (lab) => lab.page.workers().filter((worker) => worker.url().includes("start-worker"));
  return withLab({ settings: small }, async (lab) => {
    await lab.press("study-run");
    await lab.until("the study", async () => (await done(lab, "tuning")) === 8, LIMIT);
    const alone = await lab.records();
    await withLab({ settings: { ...small, jobs: 3 } }, async (lab) => {
      await lab.beforeWorkers(three);
      await lab.reload();
      assert.match(await lab.at("study-plan").textContent(), /3 at the same time: their times are marked.*apt-lab study tuning .*--jobs 3/);
      await lab.press("study-run");
      const work = () => lab.at("study-work-tuning").textContent();
      await lab.until("three runs at once", async () => /^runs \d+, \d+ and \d+ of 8 at the same time: /.test(await work()));
      const stored = async () => Object.values(await lab.table("runs")).map((run) => JSON.parse(run).state);
      // Held and let go again from the Lab, as any run is.
      await lab.visitPage("lab");
      await lab.press("pause");
      await lab.until("all to be held", async () => (await stored()).filter((state) => state === "paused").length === 3);
      await lab.press("resume");
      await lab.visitPage("compare");
      await lab.tab("studies");
      await lab.press("study-stop-tuning");
      await lab.until("all to be saved", async () => (await stored()).every((state) => ["closed", "done"].includes(state)));
      await lab.until("the workers to be gone", async () => workers(lab).length === 1);
      assert.ok((await done(lab, "tuning")) < 8, "stopped too late to be seen");
      await lab.press("study-go-tuning");
      await lab.until("three runs at once", async () => /^runs \d+, \d+ and \d+ of 8/.test(await work()));
      await workers(lab)[2].evaluate(() => self.close());
      await lab.until("its end to be told", async () => /one run less at a time/.test((await lab.at("notice").allInnerTexts()).join()));
      await lab.until("the study", async () => (await done(lab, "tuning")) === 8, LIMIT);
      const together = await lab.records();
      assert.deepEqual(numbers(together), numbers(alone));
      assert.deepEqual(new Set(Object.values(together).map((record) => JSON.parse(record).provenance.jobs)), new Set([3]));
      assert.deepEqual(Object.keys(await lab.table("models")), [], "a study keeps no models");
      await lab.press("study-report-tuning");
      await lab.tab("report");
      assert.equal(JSON.parse(await lab.download("report-json")).sections[0].side_by_side, true, "times are not marked");
    });
  });
});

test("a cell that fails is listed with its reason, the rest completes, and it can be run again", () =>
  withLab({ settings: SMALL, complaints: true }, async (lab) => {
    // A model whose weights are no numbers: its sizes can be read, and it fails when its cell is run.
    await lab.keepUnseen("my-model-1", HOSTILE_MODELS["weights that are not numbers"]);
    await lab.at("model-my-model-1").waitFor();
    const mine = `
      summary = "One arm starts from a broken model."
      seeds = [1]
      [knobs]
      model = "nano"
      device = "cpu"
      steps = 8
      batch_size = 8
      max_length = 16
      train_examples = 64
      [[axes]]
      name = "model"
      arms = [{ name = "broken", knobs = { model = "my-model-1" } }, { name = "slow", knobs = { learning_rate = 1e-5 } }]`;
    await lab.bring("files", [{ name: "mine.toml", body: mine, type: "application/toml" }]);
    await lab.visitPage("compare");
    await lab.tab("studies");
    await lab.press("study-go-mine");
    const ended = () => lab.at("study-progress-mine").filter({ hasText: "2 of 3 done, 1 failed" }).waitFor();
    await ended();
    assert.match(await lab.at("study-item-mine").locator(".failures").textContent(), /broken-d0\.4-s1: .*NaN.*\(.*step \d+\)/);
    await lab.press("study-report-mine");
    await lab.tab("report");
    assert.match(await lab.at("report").textContent(), /broken-d0\.4-s1.*failed/s);
    await lab.tab("studies");
    await lab.press("study-retry-mine");
    await lab.at("study-progress-mine").filter({ hasNotText: "failed" }).waitFor();
    await ended();
  }));

test("what is wrong with a study is shown before anything runs", () =>
  withLab({ settings: { study: "salience", salience: "random" } }, async (lab) => {
    assert.match(await lab.at("study-refusal").textContent(), /two arms|nothing to compare/);
    assert.equal(await lab.at("study-run").getAttribute("aria-disabled"), "true");
    await lab.go({ study: "salience", jobs: 2, hide: "seeds,jobs" });
    await lab.at("study-choice").waitFor();
    for (const field of ["study-seeds", "study-jobs"]) assert.equal(await lab.at(field).count(), 0, field);
    await lab.go({ study: "salience", jobs: 3, lock: "jobs" });
    assert.deepEqual([await lab.at("study-jobs").inputValue(), await lab.at("study-jobs").isDisabled()], ["3", true]);
    await lab.go({ study: "salience" });
    await lab.at("study-jobs").fill("0");
    await lab.at("study-jobs").blur();
    assert.match((await lab.faulted()).remedy, /from 1 to 64/);
    assert.equal(await lab.at("study-jobs").inputValue(), "1");
    await lab.dismissFaults();
    await lab.go({ study: "salienc", seeds: "many" });
    const said = await lab.at("misread").innerText();
    assert.match(said, /did you mean “salience”/);
    assert.match(said, /“seeds” to be many, where a number from 1 to 1000/);
    await lab.bring("files", [{ name: "broken.toml", body: "seeds = 2\n[[axes]]\nnam = 1\n", type: "application/toml" }]);
    const { what, where } = await lab.faulted();
    assert.match(`${where} ${what}`, /broken\.toml, line 3/);
    await lab.dismissFaults();
    await lab.bring("files", [{ name: "huge.toml", body: 'seeds = 4000000000\n[[axes]]\nname = "tuning"\n', type: "application/toml" }]);
    assert.match((await lab.faulted()).what, /4000000000, and at most 1000/);
    await lab.dismissFaults();
    // As JSON too, and one of the same name beside it.
    const twice = (seeds) => ({ name: "mine.json", body: JSON.stringify({ seeds, axes: [{ name: "tuning" }] }), type: "application/json" });
    await lab.bring("files", [twice(2)]);
    await lab.bring("files", [twice(3)]);
    await lab.visitPage("compare");
    await lab.tab("studies");
    for (const [name, cells] of [["mine", 6], ["mine-2", 9]]) {
      await lab.at(`study-progress-${name}`).filter({ hasText: `0 of ${cells} done` }).waitFor();
    }
    await lab.press("study-forget-mine");
    await lab.until("it to be forgotten", async () => Object.keys(await lab.table("studies")).join() === "mine-2");
  }));
