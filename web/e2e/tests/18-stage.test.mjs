// The stage: a recorded run plays before there is one of one's own; every unit can be named with the keys alone; two runs
// side by side are what each of them is alone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { withLab } from "../support/lab.mjs";
import { sameLosses, sameMasks, withoutTimes } from "../support/same.mjs";

const NANO = { model: "nano", device: "cpu", steps: 24, batch_size: 8, max_length: 16, train_examples: 256 };

/** Presses a key so often on what has the focus. */
async function keys(lab, key, times = 1) {
  for (let i = 0; i < times; i++) await lab.page.keyboard.press(key);
}

test("a recorded run plays at once, and each unit and its fate is named with the keys alone", () =>
  withLab({}, async (lab) => {
    assert.match(await lab.at("recorded").innerText(), /^A recorded run: APT · seed 1, 384 steps of the built-in model/);
    // It moves by itself.
    const place = () => lab.at("scrubber").inputValue();
    const before = await place();
    await lab.until("the recorded run to move", async () => (await place()) !== before);
    await lab.press("playback");
    const points = Number(await lab.at("scrubber").getAttribute("max"));
    await lab.at("scrubber").focus();
    await keys(lab, "End");
    assert.equal(await place(), String(points));
    assert.match(await lab.at("last-point").innerText(), /^Step \d+: .*It was the last\.$/);
    const words = () => lab.at("picture-words").innerText();
    await lab.at("picture").focus();
    assert.match(await words(), /^layer 0: \d of 4 heads, \d+ of 512 neurons kept; ranks: query \d+/);
    await keys(lab, "ArrowRight");
    assert.match(await words(), /^layer 0, head 0: /);
    // Over the heads into the neurons, of which most have gone, each at a step and with a score.
    const seen = [];
    for (let i = 0; i < 70 && !seen.some((said) => / removed at step /.test(said)); i++) {
      await keys(lab, "ArrowRight");
      seen.push(await words());
    }
    const gone = seen.find((said) => /^layer 0, neuron \d+: removed at step \d+, salience [^,]+, rank \d+ of \d+, √kurtosis [^;]+; \d+ of 512/.test(said));
    assert.ok(gone, seen.at(-1));
    await keys(lab, "ArrowUp", 12);
    assert.match(await words(), /^hidden dim \d+: /);
    // One layer alone, and back.
    await keys(lab, "ArrowDown");
    await keys(lab, "Enter");
    assert.equal(await lab.at("zoom").inputValue(), "0");
    await keys(lab, "Escape");
    assert.equal(await lab.at("zoom").inputValue(), "");
    // The tick of a point leads to it.
    const tick = lab.page.locator(".ticks button").nth(1);
    const step = await tick.innerText();
    await tick.click();
    assert.match(await lab.at("last-point").innerText(), new RegExp(`^Step ${step}: `));
    // Every choice of colours is another picture, and its words say what it shows.
    const pictures = [];
    for (const [colours, legend] of [["salience", /salience among/], ["kurtosis", /kurtosis among/]]) {
      await lab.at("colours").selectOption(colours);
      assert.match(await lab.at("legend").innerText(), legend);
      pictures.push(await lab.at("picture").evaluate((canvas) => canvas.toDataURL()));
    }
    assert.notEqual(pictures[0], pictures[1]);
  }));

test("two runs side by side are what each of them is alone", { timeout: 300_000 }, () =>
  withLab({ settings: NANO }, async (lab) => {
    await lab.at("pair-second").selectOption("salience-random");
    await lab.press("pair-start");
    await lab.at("pair-outcome").waitFor({ timeout: 200_000 });
    assert.match(await lab.at("pair-outcome").innerText(), /At chance: |Salience: random minus APT: [+−]/);
    // Both models are there at once.
    for (const name of ["stage", "stage-second"]) await lab.at(name).waitFor();
    const both = Object.values(await lab.records()).map((text) => JSON.parse(text));
    const of = (salience) => both.find((record) => record.config.salience === salience);
    const pair = [of("outlier_aware"), of("random")];
    assert.deepEqual(pair.map((record) => record?.config.seed), [1, 1]);
    await lab.press("pair-close");
    for (const [preset, beside] of [["apt", pair[0]], ["salience-random", pair[1]]]) {
      await lab.go({ ...NANO, preset });
      await lab.press("start");
      const alone = await lab.finished();
      sameLosses(alone, beside, NANO.steps, 0);
      assert.ok(sameMasks(alone, beside) > 0, "a run without pruning points shows nothing");
      assert.deepEqual(withoutTimes(alone.evaluations), withoutTimes(beside.evaluations));
    }
  }));

test("the second of two runs is not said to be in another tab while it goes on", { timeout: 300_000 }, () =>
  // The second learns from a teacher and is at it a tenth longer: for so many steps, that is more than a second.
  withLab({ settings: { ...NANO, steps: 4000 } }, async (lab) => {
    await lab.at("pair-first").selectOption("lora");
    await lab.at("pair-second").selectOption("prune-distill");
    await lab.press("pair-start");
    const state = (name) => lab.at(name).getAttribute("data-state");
    await lab.until("the end of the first", async () => (await state("pair-state")) === "done");
    assert.equal(await state("pair-state-second"), "running", "both are done: this shows nothing");
    // The list of runs is read again when one ends, and locks are asked.
    await lab.page.waitForTimeout(500);
    for (const offer of ["goes-on", "resume-stored"]) assert.equal(await lab.at(offer).count(), 0, offer);
    await lab.at("pair-outcome").waitFor({ timeout: 200_000 });
    // The next group begins where the first did.
    await lab.press("start-over");
    await lab.at("opening").waitFor();
    assert.deepEqual([await lab.at("pair").count(), await lab.at("pair-first").inputValue()], [0, "apt"]);
  }));
