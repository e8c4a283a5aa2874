// The study that comes with the page: a run is told beside it where it is of the same settings and not where it is not;
// what is offered and what Learn shows comes from it; without its file the page is whole. Numbers are those of studies that
// were shipped once (fixtures), so that new ones can be.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { BASE } from "../support/server.mjs";
import { withLab } from "../support/lab.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const fixture = async (name) => JSON.parse(await readFile(new URL(`../fixtures/${name}`, import.meta.url), "utf8"));
const [study, study128] = await Promise.all(["study.json", "study-128.json"].map(fixture));
const file = (body, name = "study.json") => ({ [`${BASE}${name}`]: { type: "application/json", body: JSON.stringify(body) } });
const STUDIES = { ...file(study), ...file(study128, "study-128.json") };
const NANO = { model: "nano", device: "cpu", steps: 24, batch_size: 8, max_length: 16, train_examples: 256 };
/** Long enough to be better than chance. */
const SHORT = { device: "cpu", steps: 100, train_examples: 2048 };

/** The study as if its runs had been as short as those of the test. */
const short = (settings) => {
  const { device, ...same } = settings;
  return { ...study, settings: { ...study.settings, ...same }, origin: { ...study.origin, data: [] } };
};

const told = async (lab) => (await lab.at("beside").innerText()).replaceAll("\u00a0", " ");

async function accessible(lab) {
  await lab.page.evaluate(axe);
  const { violations } = await lab.page.evaluate(() => window.axe.run(document));
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes[0].html]), []);
}

test("a run of the study's settings is told what it is worth, and what would tell more", { timeout: 400_000 }, () =>
  withLab({ settings: { ...SHORT, preset: "salience-wanda", density: 0.2 }, files: { ...STUDIES, ...file(short(SHORT)) } }, async (lab) => {
    await lab.press("start");
    const { test } = (await lab.finished()).final.metric;
    const wanda = study.arms.find((arm) => arm.preset === "salience-wanda" && arm.density === 0.2);
    const words = await told(lab);
    assert.match(words, /not pruned\s+LoRA reaches 9\d\.\d ± \d\.\d % over 5 seeds: this run is \d+\.\d points (below|above)\./);
    assert.match(words, /beside APT\s+APT at density 0\.2 reaches 9\d\.\d ± \d\.\d % over 5 seeds: this run is /);
    assert.match(words, /other seeds\s+−\d\.\d ± \d\.\d points against APT over 5 seeds: worse\. Its runs lie between /);
    const lies = test < Math.min(...wanda.runs) - 5e-5 ? "below" : test > Math.max(...wanda.runs) + 5e-5 ? "above" : "within";
    assert.ok(words.includes(`this one ${lies}.`), words);
    assert.match(words, /From the study that comes with this page: runs of 384 steps with seeds 1, 2, 3, 4, 5/);
    await accessible(lab);
    // What tells more: the same with several seeds, or both at once.
    assert.match(await lab.at("next-study").innerText(), /with 3 seeds/);
    await lab.press("next-pair");
    await lab.at("pair").waitFor();
    const titles = await lab.page.locator(".pair-column h3").allInnerTexts();
    assert.deepEqual(titles, ["APT · seed 1 · density 0.2", "Salience: Wanda · seed 1 · density 0.2"]);
    await lab.press("pair-stop");
    await lab.press("pair-close");
  }));

test("a run of other settings is told why there is no reference, and one at chance is compared with nothing", { timeout: 300_000 }, () =>
  withLab({ settings: SHORT, files: STUDIES }, async (lab) => {
    assert.equal(await lab.at("pair-second").inputValue(), "salience-random", "nothing is known of such runs");
    assert.equal(await lab.at("pair-offer").count(), 0);
    await lab.press("start");
    await lab.finished();
    assert.match(await told(lab), /^reference\s+No reference beside it: the study that comes with this page is of 128 steps\./, "of two, that of runs nearer in length");
    await lab.go(NANO);
    await lab.press("start");
    await lab.finished();
    await lab.at("outcome").waitFor();
    assert.match(await lab.at("outcome").innerText(), /^At chance/);
    for (const name of ["beside", "next-pair"]) assert.equal(await lab.at(name).count(), 0, name);
  }));

test("what is offered first, and what arms can be expected to do, follows from the study", () =>
  withLab({ files: STUDIES }, async (lab) => {
    await lab.at("pair-offer").waitFor();
    await lab.until("both studies", async () => (await lab.at("pair-offer").innerText()).includes("128 steps"));
    assert.equal(await lab.at("pair-second").inputValue(), "salience-random");
    assert.match(await lab.at("pair-offer").innerText(), /^At density 0\.4 no single change makes a difference .+ At 0\.1, in 128 steps one does: Salience: random, −15\.0 ± 5\.7 points\.\s*Run both at density 0\.1, in 128 steps$/);
    const card = lab.page.locator(".card", { has: lab.at("preset-lora") });
    assert.match(await card.innerText(), /Accuracy 94\.\d ± \d\.\d % over 5 seeds\./);
    await lab.choose("salience-random");
    const words = lab.page.locator("#switch-salience-words");
    assert.match(await words.innerText(), /−0\.8 ± 1\.7 points against APT over 5 seeds at density 0\.4: no difference shown\./);
    await lab.go({ density: 0.2 });
    await lab.at("pair-offer").waitFor();
    assert.match(await lab.at("pair-offer").innerText(), /^Loses most over 5 seeds at density 0\.2: −1\.4 ± 0\.4 points\.$/);
    const option = lab.page.locator('#switch-salience option[value="salience-wanda"]');
    assert.equal(await option.innerText(), "Wanda, −1.4 points");
    // Of a density that the study does not have nothing is said.
    await lab.go({ density: 0.3 });
    await lab.choose("salience-random");
    assert.equal(await lab.page.locator(".method .expected").count(), 2, "dense runs alone");
    // Whoever chooses sees what to expect of that.
    await lab.go({});
    await lab.at("pair-second").selectOption("schedule-late");
    assert.match(await lab.at("pair-offer").innerText(), /^What to expect, over 5 seeds: −0\.6 ± 0\.6 points/);
    await accessible(lab);
  }));

test("in Learn the density moves along the study's curve, by keys, and schedules have their accuracy", () =>
  withLab({ files: STUDIES }, async (lab) => {
    await lab.page.goto(`${lab.server.url}#learn/5`);
    await lab.at("learn-curve").waitFor();
    await lab.at("density").focus();
    const said = async () => lab.at("density-study").innerText();
    const read = lab.page.locator("[data-testid=learn-curve] .place");
    assert.match(await said(), /nothing pruned \(LoRA\): 94\.\d ± /);
    await lab.page.keyboard.press("Home");
    assert.match(await said(), /^Trained to its end at density 0\.1: 93\.9 ± 0\.8 % over 5 seeds; blocks removed by chance: 88\.8 ± /);
    assert.equal(await read.first().innerText(), "density 0.1");
    await lab.at("density").fill("43");
    assert.match(await said(), /^Trained to its end at density 0\.4, the nearest in the study: 94\.8/);
    assert.equal(await read.first().innerText(), "density 0.4");
    await accessible(lab);
    await lab.press("learn-7");
    await lab.press("schedule-one_shot");
    assert.match(await lab.at("schedule-one_shot").innerText(), /One-shot\s+93\.6 ± 1\.5 %/);
    assert.match(await lab.at("schedule-worth").innerText(), /^Measured: 93\.6 ± 1\.5 %.*; over all steps \d\d\.\d % of the weights/);
    await lab.press("learn-8");
    assert.match(await lab.at("learn-beside").innerText(), /LoRA reaches 94\.\d ± \d\.\d % over 5 seeds: this run is /);
  }));

test("a run of 128 steps is judged beside the study of such runs", () =>
  // With the files that are shipped.
  withLab({ settings: { steps: 128, device: "cpu" } }, async (lab) => {
    const card = lab.page.locator(".card", { has: lab.at("preset-lora") });
    await card.getByText(/Accuracy 9[23]\.\d ± \d\.\d % over 5 seeds\./).waitFor();
    await lab.choose("salience-random");
    const words = lab.page.locator("#switch-salience-words");
    await words.getByText(/^−\d\.\d ± \d\.\d points against APT over 5 seeds at density 0\.4: /).waitFor();
  }));

test("without the studies' files the page is whole and says so", { timeout: 200_000 }, () => {
  const broken = { ...file({ schema: "another" }), ...file({ schema: "another" }, "study-128.json") };
  return withLab({ settings: { ...NANO, density: 0.4 }, files: broken }, async (lab) => {
    await lab.page.getByText("The study study.json cannot be shown").waitFor();
    assert.equal(await lab.at("pair-second").inputValue(), "salience-random");
    assert.equal(await lab.page.locator(".expected").count(), 0);
    await lab.press("start");
    await lab.finished();
    await lab.at("outcome").waitFor();
    assert.equal(await lab.at("beside").count(), 0);
    await lab.visitPage("learn");
    await lab.press("learn-5");
    await lab.at("density-words").waitFor();
    assert.equal(await lab.at("learn-curve").count(), 0);
    await lab.press("learn-7");
    await lab.page.getByText("Their accuracy and time are not known here").waitFor();
  });
});
