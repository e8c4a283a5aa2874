// What charts say: values at the step that is pointed to, by pointer and by keys, the same step on all; enlarged, they go
// on with the run; the band below names the parts of the run.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { withLab } from "../support/lab.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RUN = { model: "nano", device: "cpu", steps: 120, batch_size: 8, max_length: 16, train_examples: 256 };
const OF_STEPS = ["chart-loss", "chart-metric", "chart-density", "chart-mu", "chart-times", "chart-memory"];

/** What a chart shows: the place that is read, its values, and what is written on its axes. */
const shown = (lab, name) =>
  lab.at(name).evaluate((chart) => ({
    place: Number(chart.querySelector(".place")?.textContent.replace("step ", "")),
    values: [...chart.querySelectorAll(".legend b")].map((value) => value.textContent),
    texts: [...chart.querySelectorAll(".ink text")].map((text) => text.textContent.trim()),
    spoken: chart.querySelector("[role=slider]")?.getAttribute("aria-valuetext"),
  }));

test("charts of a run are read by pointer and keys, and enlarged", () =>
  withLab({ settings: RUN, context: { reducedMotion: "reduce" } }, async (lab) => {
    const { page } = lab;
    await lab.press("start");
    await lab.reach(3);

    // Enlarged in the middle of the run, and redrawn as it goes on. The run waits meanwhile, for it may be short.
    await lab.press("pause");
    await lab.state("paused");
    await lab.press("chart-loss-enlarge");
    const large = lab.at("chart-loss-large");
    const place = async () => Number((await large.locator(".place").textContent()).replace("step ", ""));
    const opened = await place();
    // By script: the dialog covers the button.
    await lab.at("resume").evaluate((button) => button.click());
    await lab.until("the large chart to go on", async () => (await place()) > opened);
    const [small, whole] = await Promise.all([lab.at("chart-loss"), large].map((at) => at.locator(".ink").first().boundingBox()));
    assert.ok(whole.width > 1.5 * small.width && whole.height > 1.5 * small.height, "it is not large");
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].target.join(" ")}`), []);
    await page.keyboard.press("Escape");
    await large.waitFor({ state: "hidden" });
    const focused = () => page.evaluate(() => document.activeElement.dataset.testid ?? document.activeElement.className);
    assert.equal(await focused(), "chart-loss-enlarge", "the focus does not return");

    const record = await lab.finished();
    for (const name of OF_STEPS) {
      if (!(await shown(lab, name)).values.length) continue; // Nothing of it was measured.
      // Charts draw the end in turn. Not every curve goes on to it: there is a teacher for a while only.
      const whole = async () => (await shown(lab, name)).place > 0.9 * RUN.steps;
      if (name !== "chart-mu") await lab.until(`${name} to be drawn to the end`, whole);
      const { texts } = await shown(lab, name);
      assert.ok(texts.includes("step"), `${name}: the axis has no name`);
      const labels = texts.filter((text) => /^\d+$/.test(text));
      assert.ok(labels.includes("0") && labels.includes("100"), `${name} is labelled ${texts}`);
    }

    // A pointer: the same step on every chart that has a value of each.
    const sheet = lab.at("chart-loss").locator(".paper");
    const box = await sheet.boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    const loss = await shown(lab, "chart-loss");
    assert.ok(loss.place > 30 && loss.place < 80, `half way is step ${loss.place}`);
    const point = record.curve.find(({ step }) => step === loss.place);
    assert.equal(loss.values[0], point.task_loss.toFixed(2));
    assert.equal((await shown(lab, "chart-density")).place, loss.place);
    await page.mouse.move(0, 0);
    assert.equal((await shown(lab, "chart-loss")).place, RUN.steps);

    // Keys, and the words for who does not see it.
    const metric = lab.at("chart-metric").getByRole("slider");
    await metric.focus();
    await page.keyboard.press("Home");
    const first = record.evaluations.filter(({ split }) => split === "validation")[0];
    const percent = `${(100 * first.metric).toFixed(1)} %`;
    assert.match((await shown(lab, "chart-metric")).spoken, new RegExp(`^step ${first.step}\\b.*: validation ${percent}`));
    await page.keyboard.press("ArrowRight");
    assert.ok((await shown(lab, "chart-metric")).place > first.step);
    assert.equal(await lab.at("chart-metric").locator(".chart-title").first().textContent(), "Accuracy");
    await page.keyboard.press("Enter");
    await lab.at("chart-metric-large").waitFor();
    await lab.press("chart-metric-close");
    assert.equal(await focused(), "paper", "the focus does not return");

    // The steps in which it prunes alone, in all charts, by a key; the button leads back.
    const labelled = async () => {
      const labels = await Promise.all(["chart-loss", "chart-density"].map(async (name) => (await shown(lab, name)).texts));
      return labels.flat().filter((text) => /^\d+$/.test(text)).map(Number);
    };
    const last = record.pruning_points.at(-1).step;
    await page.keyboard.press("z");
    await lab.until("the pruning steps alone", async () => Math.max(...await labelled()) <= last + 20);
    assert.ok((await shown(lab, "chart-density")).place <= last + 20, "values are of a step that is not shown");
    await lab.press("charts-zoom");
    await lab.until("all steps", async () => (await labelled()).includes(100));

    // The band: one mark for every pruning point, and the parts in words.
    const band = lab.at("phase-band");
    assert.equal(await band.locator(".bar .point").count(), record.pruning_points.length);
    const parts = await band.locator("li").allTextContents();
    assert.ok(parts.some((part) => part.startsWith("pruning")), `${parts}`);
    assert.ok(parts.some((part) => part.startsWith("tuning what is left")), `${parts}`);
  }));

test("a chart is read with a finger, too", () =>
  withLab({ settings: RUN, context: { hasTouch: true, viewport: { width: 390, height: 844 } } }, async (lab) => {
    await lab.press("start");
    await lab.finished();
    await lab.at("chart-loss").locator(".paper").scrollIntoViewIfNeeded();
    const box = await lab.at("chart-loss").locator(".paper").boundingBox();
    await lab.page.touchscreen.tap(box.x + box.width / 2, box.y + box.height / 2);
    const { place } = await shown(lab, "chart-loss");
    assert.ok(place > 30 && place < 80, `half way is step ${place}`);
  }));
