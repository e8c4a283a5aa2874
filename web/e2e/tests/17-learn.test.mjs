// Learn: the tour runs through on the recorded run with the keyboard alone and leaves the settings alone; a guess is told
// how much it agrees; what is dragged changes what is said; an ablation is said to be one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { withLab } from "../support/lab.mjs";

const NANO = { model: "nano", device: "cpu", steps: 24, batch_size: 8, max_length: 16, train_examples: 256 };

test("the tour runs through with the keyboard alone and leaves the settings alone", () =>
  withLab({ settings: { preset: "salience-random", density: 0.5 } }, async (lab) => {
    const { keyboard } = lab.page;
    const query = new URL(lab.page.url()).search;
    const reach = async (name) => {
      for (let stops = 0; stops < 200; stops++) {
        await keyboard.press("Tab");
        if ((await lab.page.evaluate(() => document.activeElement?.dataset?.testid ?? "")) === name) return;
      }
      assert.fail(`${name} cannot be reached with Tab`);
    };
    const at = (number) =>
      lab.until(`step ${number}`, async () => (await lab.at("learn-at").innerText()).startsWith(`Step ${number} of 8`));
    await reach("nav-learn");
    await keyboard.press("Enter");
    await at(1);
    await lab.at("learn-standing").waitFor();
    await reach("learn-next");
    await keyboard.press("Enter");
    await at(2);
    await keyboard.press("Enter");
    await at(3);
    // Guess one head that the method removed and one that it kept.
    await reach("learn-1");
    for (const head of ["head-0-0", "head-3-1"]) {
      await reach(head);
      await keyboard.press("Enter");
    }
    await reach("guess-show");
    await keyboard.press("Enter");
    assert.match(await lab.at("guess-verdict").innerText(), /^You and the method agree on 1 of 2\./);
    assert.match(await lab.at("head-3-1").innerText(), /your choice\s+removed at step 104/);
    assert.match(await lab.at("guess-salience").innerText(), /layer 3, head 2\s+91\.8\s+removed at step 104/);
    await reach("learn-next");
    await keyboard.press("Enter");
    await at(4);
    await reach("learn-1");
    await reach("threshold");
    const left = async (name) => Number((await lab.at(name).innerText()).match(/([\d.]+) % of the weights/)[1]);
    const before = await left("threshold-words");
    assert.ok(Math.abs(before - 84) < 1, `the method's own threshold leaves ${before} %`);
    await keyboard.press("End");
    assert.ok((await left("threshold-words")) < 1, "above the greatest salience hardly anything is left");
    // Both terms of salience, unit by unit: the arrow keys go from one kind to the next.
    await reach("terms-neurons");
    assert.match(await lab.at("terms-words").innerText(), /^The greatest outlier is layer \d, neuron \d+: √kurtosis /);
    assert.match(await lab.at("terms-changed").innerText(), /^Kurtosis (changes nothing|hardly matters|matters) here/);
    await keyboard.press("ArrowRight");
    assert.match(await lab.at("terms-words").innerText(), /^The greatest outlier is hidden dim \d+: √kurtosis /);
    await reach("learn-next");
    await keyboard.press("Enter");
    await at(5);
    await reach("learn-1");
    await reach("density");
    await keyboard.press("Home");
    assert.ok((await left("density-words")) < 40, "the least density is that of the last point");
    await reach("learn-next");
    await keyboard.press("Enter");
    await at(6);
    await reach("learn-1");
    await reach("point-before");
    await keyboard.press("Enter");
    const pointBefore = "12 of 24 adapters grew here. Ranks from 8 to 64.";
    await lab.until("the point before", async () => (await lab.at("rank-words").innerText()) === pointBefore);
    const answers = [0, 1].map((place) => lab.at(`learn-answer-${place}-words`).innerText());
    const said = /^The right answer is (\w+)\. The student gives it [\d.]+ % at step \d+ and [\d.]+ % at step 384; the teacher gives it [\d.]+ %\.$/;
    const labels = (await Promise.all(answers)).map((words) => words.match(said)?.[1]);
    assert.deepEqual(labels.toSorted(), ["negative", "positive"]);
    await reach("learn-next");
    await keyboard.press("Enter");
    await at(7);
    await reach("learn-1");
    await reach("schedule-late");
    await keyboard.press("Enter");
    assert.match(await lab.at("schedule-words").innerText(), /10 pruning points, at steps 214 to 269 of 384/);
    await reach("learn-next");
    await keyboard.press("Enter");
    await at(8);
    assert.match(await lab.at("learn-headline").innerText(), /^Accuracy 93\.3 %/);
    await reach("learn-1");
    await reach("answer-0-0");
    await keyboard.press("ArrowDown");
    assert.match(await lab.at("reply-0").innerText(), /^Right\./);
    assert.equal(new URL(lab.page.url()).search, query);
    assert.equal(new URL(lab.page.url()).hash, "#learn/8");
    await lab.reload();
    await at(8);
    // What a schedule costs is one press away.
    await lab.page.evaluate(() => (location.hash = "learn/7"));
    await at(7);
    await lab.press("schedule-late");
    await lab.press("schedule-run");
    await lab.at("page-lab").waitFor();
    assert.equal(await lab.at("pair-second").inputValue(), "schedule-late");
  }));

test("a symbol is explained with its setting, and a run that is an ablation is said to be one", () =>
  withLab({ settings: { ...NANO, preset: "salience-random" } }, async (lab) => {
    await lab.press("start");
    await lab.finished();
    await lab.visitPage("learn");
    await lab.press("learn-5");
    const symbol = lab.page.getByRole("button", { name: "γ_T", exact: true });
    await symbol.hover();
    const words = lab.page.locator(".symbol-words");
    assert.match(await words.innerText(), /the share that is left at the end\. Setting density, 0\.4 in this run/);
    assert.equal(await lab.page.locator(".formula-math .lit").count(), 2, "it stands twice in the formula");
    assert.equal(await lab.at("learn-note").count(), 0, "the recorded run is the whole method");
    await lab.at("learn-own").check();
    assert.match(await lab.at("learn-note").innerText(), /not the whole method: salience = random instead of outlier_aware/);
  }));
