// What is run and what is asked: a method is chosen by its ideas, every setting is found in one dialog, files are looked at
// when they are dropped, and any two models answer the same text.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { HOSTILE_DATA, HOSTILE_MODELS } from "../support/files.mjs";
import { withLab } from "../support/lab.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const NANO = { model: "nano", device: "cpu", steps: 24, batch_size: 8, max_length: 16, train_examples: 256 };

const asked = (lab, name) => new URL(lab.page.url()).searchParams.get(name);

/** What axe-core finds in a part of the page. */
async function findings(lab, part) {
  // By evaluation, which the policy does not govern, and not as a script tag, which it forbids.
  await lab.page.evaluate(axe);
  const { violations } = await lab.page.evaluate((of) => window.axe.run(of, { resultTypes: ["violations"] }), part);
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).slice(0, 5).join(", ")}`);
}

test("one idea of the method is switched at a time, with its words beside it", () =>
  withLab({}, async (lab) => {
    const shown = (knob) => lab.at(`switch-${knob}`).locator("option:checked").innerText();
    for (const knob of ["schedule", "salience", "rank_growth", "distillation"]) {
      assert.match(await shown(knob), /\(APT\)$/, `${knob} is not at APT's own arm`);
      const options = await lab.at(`switch-${knob}`).locator("option").allInnerTexts();
      assert.equal(options.filter((text) => text.endsWith("(APT)")).length, 1, `${knob}: ${options}`);
    }
    await lab.choose("schedule-one-shot");
    await lab.until("the address", async () => asked(lab, "preset") === "schedule-one-shot");
    assert.match(await lab.page.locator("#switch-schedule-words").innerText(), /before the first training step.*schedule-one-shot/);
    assert.ok(!(await lab.at("preset-apt").isChecked()));
    await lab.choose("salience-random");
    await lab.until("the address", async () => asked(lab, "preset") === "salience-random");
    assert.equal(await shown("schedule"), "early (APT)", "two ideas are changed at once");
    // What was turned by hand shows on its switch, and an arm that is the method shows as the method.
    await lab.go({ preset: "tuning-adaptive", salience: "magnitude" });
    assert.ok(await lab.at("preset-apt").isChecked());
    assert.equal(await shown("salience"), "magnitude");
    await lab.go({ lock: "preset", hide: "distillation" });
    assert.ok(await lab.at("switch-schedule").isDisabled());
    assert.equal(await lab.at("switch-distillation").count(), 0);
    assert.ok(!(await lab.at("arm-select").isVisible()));
  }));

test("on a phone the method stands beside Start", () =>
  withLab({ context: { viewport: { width: 390, height: 844 } } }, async (lab) => {
    for (const name of ["arm-select", "start"]) {
      const { y, height } = await lab.at(name).boundingBox();
      assert.ok(y + height <= 844, `${name} is not on the first screen: ${y}`);
    }
    await lab.at("arm-select").selectOption("salience-random");
    await lab.until("the address", async () => asked(lab, "preset") === "salience-random");
    assert.equal(await lab.at("switch-salience").inputValue(), "salience-random");
    const width = await lab.page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `the page is ${width} pixels wide`);
  }));

test("settings are found by a word, say what is wrong beside them, and are set back one by one", () =>
  withLab({ settings: { ...NANO, steps: 4000 } }, async (lab) => {
    const { keyboard } = lab.page;
    const visible = () => lab.page.locator("[data-knob]:visible").evaluateAll((all) => all.map((knob) => knob.dataset.knob));
    const focus = () => lab.page.evaluate(() => document.activeElement?.dataset?.testid);
    await lab.go({ device: "cpu" });
    assert.equal((await lab.at("settings").innerText()).trim(), "Settings (1 changed)");
    await lab.at("settings").focus();
    await keyboard.press("Enter");
    await lab.at("knobs").waitFor();
    assert.equal(await focus(), "settings-search");
    assert.deepEqual((await visible()).slice(0, 5), ["density", "schedule", "salience", "rank_growth", "distillation"]);
    await keyboard.type("temperature");
    await lab.until("one setting", async () => (await visible()).join() === "distill_temperature");
    await lab.at("settings-search").fill("");
    await lab.at("knob-density").fill("7");
    await lab.until("the error", async () => /0\.05.*1/.test(await lab.at("error-density").innerText()));
    await lab.at("knob-density").fill("0.5");
    await lab.at("knob-seed").focus();
    await lab.until("the address", async () => asked(lab, "density") === "0.5");
    await lab.at("settings-changed").check();
    await lab.until("what is changed", async () => (await visible()).join() === "density,device");
    assert.match(await lab.at("settings-count").innerText(), /^2 of \d+ settings$/);
    assert.deepEqual(await findings(lab, "dialog"), []);
    await lab.at("reset-density").click();
    await lab.until("the preset's value", async () => (await lab.at("knob-density").inputValue()) === "0.4");
    assert.deepEqual([await focus(), await visible()], ["knob-density", ["density", "device"]], "it left under the hand");
    await lab.at("settings-changed").uncheck();
    await lab.press("forget");
    await keyboard.press("Escape");
    await lab.at("knobs").waitFor({ state: "hidden" });
    assert.equal(await focus(), "settings");
    assert.equal((await lab.at("settings").innerText()).trim(), "Settings");
    // During a run only what is live can be changed, and is changed in the run.
    await lab.go({ ...NANO, steps: 4000 });
    await lab.press("start");
    await lab.reach(2);
    await lab.press("settings");
    assert.ok(await lab.at("knob-rank").isDisabled());
    await lab.at("knob-learning_rate").fill("0.0002");
    await keyboard.press("Tab");
    const name = await lab.name();
    await lab.press("settings-close");
    await lab.press("stop");
    await lab.state("closed");
    const events = await lab.events(name);
    const turned = events.filter(({ event }) => event === "turned").map(({ knob, value }) => [knob, value]);
    assert.deepEqual(turned, [["learning_rate", "0.0002"]]);
  }));

test("any two models answer as one types; what they do not know or read is said", () =>
  withLab({}, async (lab) => {
    for (const preset of ["lora", "salience-random"]) {
      await lab.go({ ...NANO, max_length: 32, preset });
      await lab.press("start");
      await lab.finished();
    }
    await lab.visitPage("try");
    const answered = () => lab.page.locator("[data-testid=try-answer]:not(.stale)").getByTestId("try-right-answer").waitFor();
    const write = async (text) => {
      await lab.at("try-text").fill(text);
      await answered();
    };
    await answered();
    assert.match(await lab.at("try-left-answer").innerText(), /^LoRA · seed 1/);
    assert.match(await lab.at("try-right-answer").innerText(), /^Salience: random · seed 1[\s\S]* ms · .* weights/i);
    assert.equal(await lab.at("try-truth").innerText(), "Right is: positive.");
    assert.equal(await lab.at("try-known").count(), 0, "all words of the example are known");
    await write("The zebra xylophone was superb.");
    assert.match(await lab.at("try-known").innerText(), /^3 of 5 words known: a guess\.$/);
    assert.deepEqual(await lab.page.locator("mark.unknown").allInnerTexts(), ["zebra", "xylophone"]);
    assert.equal(await lab.at("try-truth").count(), 0, "nobody knows the truth of one's own text");
    await write("The soup was superb. ".repeat(40));
    assert.match(await lab.at("try-cut").innerText(), /^Read up to here: 32 of 20\d tokens\./);
    assert.match(await lab.at("try-read").innerText(), /^(The soup was superb\. ?){6}…$/);
    await lab.at("try-text").fill("  ");
    await lab.until("no answer", async () => (await lab.at("try-right-answer").count()) === 0);
    // Two runs that prune, or one alone.
    const [random] = await lab.at("try-right").locator("option").evaluateAll((all) => all.map((option) => option.value));
    await lab.at("try-left").selectOption(random);
    await lab.press("try-example-negation");
    await lab.until("one answer", async () => (await lab.at("try-answer").getByTestId("try-left-answer").count()) === 1);
    await lab.until("no second", async () => (await lab.at("try-right-answer").count()) === 0);
    assert.deepEqual(await findings(lab, "[data-testid=page-try]"), []);
  }));

test("files are looked at when they are dropped, and what cannot be used is refused at once", () =>
  withLab({ settings: NANO, complaints: true }, async (lab) => {
    const rows = Array.from({ length: 40 }, (_, i) => `the soup was ${i % 4 ? "superb" : "awful"}${" and awful".repeat(i % 8)},${i % 4 ? "good" : "bad"}`);
    const csv = (name, body) => [{ name, body, type: "text/csv" }];
    await lab.bring("files", csv("mine.csv", `review,class\n${rows.join("\n")}\n`));
    await lab.at("data-card").waitFor();
    const card = await lab.at("data-card").innerText();
    assert.match(card, /^40 rows: 36 for training, 4 for validation/);
    assert.match(card, /2 classes: bad 9, good 27 \(in training\)\./);
    assert.match(await lab.at("data-cut").innerText(), /^10 of 40 texts \(25\.0 %\) are longer than the 16 tokens/);
    assert.equal(await lab.at("data-card").locator("li").count(), 3);
    assert.deepEqual(await findings(lab, ".setup"), []);
    const refused = async (files, what) => {
      await lab.bring("files", files);
      const fault = await lab.faulted();
      assert.match(`${fault.where}: ${fault.what}; ${fault.remedy}`, what);
      assert.equal(asked(lab, "data"), "mine.csv", "it became the setting");
      assert.equal(asked(lab, "model"), "nano", "it became the setting");
      await lab.dismissFaults();
    };
    await refused(HOSTILE_DATA["a table that is a picture"], /picture\.csv.*UTF-8/);
    await refused(csv("empty.csv", ""), /empty\.csv.*empty/);
    await refused(csv("columns.csv", "PAR1 columns"), /columns\.csv: this is a Parquet file, which the program reads and a page does not; convert it: python/);
    await refused(csv("lists.csv", "text,label\nfine,['good']\nbad,['bad']\n"), /lists\.csv: the labels are lists; learn for every class.*multi_label/);
    await refused(HOSTILE_MODELS["a web page in place of the weights"], /model\.safetensors/);
    await refused(HOSTILE_MODELS["sizes that are not those of the weights"], /model\.safetensors/);
    // A file of the same name that cannot be read leaves the one that can.
    await refused(csv("mine.csv", "review,class\n"), /mine\.csv.*not one example/);
    assert.deepEqual(Object.keys(await lab.table("files")), ["mine.csv"]);
    await lab.press("start");
    assert.equal((await lab.finished()).curve.length, NANO.steps);
  }));

test("columns are chosen where a file does not say which are read", () =>
  withLab({ settings: NANO, complaints: true }, async (lab) => {
    const rows = Array.from({ length: 40 }, (_, i) => `${i},the soup was ${i % 4 ? "superb" : "awful"},${i % 4 ? "yes" : "no"}`);
    const bring = (name, header) => lab.bring("files", [{ name, body: [...header, ...rows, ""].join("\n"), type: "text/csv" }]);
    const says = (id, what) => lab.until(`${id}: ${what}`, async () => what.test(await lab.at(id).innerText()));
    await bring("own.csv", ["number,said,liked"]);
    await says("data-problem", /own\.csv: no column called 'text'/);
    assert.deepEqual(await findings(lab, ".setup"), []);
    await lab.at("column-text").selectOption("said");
    await says("data-problem", /own\.csv: no column called 'label'/);
    await lab.at("column-label").selectOption("liked");
    await says("data-card", /^40 rows: 36 for training, 4 for validation/);
    await says("data-read", /text 'said', label 'liked'; unused: number/);
    assert.deepEqual([asked(lab, "text"), asked(lab, "label")], ["said", "liked"]);
    assert.deepEqual(await findings(lab, ".setup"), []);
    await lab.press("start");
    const { data } = (await lab.finished()).provenance;
    assert.deepEqual([data.files[0].text, data.files[0].unused, data.cut_at], ["said", ["number"], NANO.max_length]);
    // Another file is asked about anew.
    await lab.go(NANO);
    await bring("bare.csv", []);
    await says("data-problem", /bare\.csv, line 1: there seems to be no header/);
    await lab.at("column-no_header").check();
    await says("data-problem", /no column called 'text'/);
    await lab.at("column-text").selectOption("2");
    await lab.at("column-label").selectOption("3");
    await says("data-card", /^40 rows/);
  }));
