// The answer of a run: what came out stands above everything else; a model that has learned nothing is said to be at
// chance; the tour's run is a real one and leaves the Lab's settings alone; a visitor who comes back finds the last run.

import assert from "node:assert/strict";
import { test } from "node:test";
import { withLab } from "../support/lab.mjs";

const NANO = { model: "nano", device: "cpu", steps: 24, batch_size: 8, max_length: 16, train_examples: 256 };

test("a model at chance is said to be at chance, and is found again by who comes back", () =>
  withLab({ settings: NANO }, async (lab) => {
    await lab.press("start");
    const record = await lab.finished();
    assert.equal(record.final.metric.chance.validation.examples, 512);
    const told = await lab.at("outcome").innerText();
    assert.match(told, /At chance[\s\S]*This model has learned nothing: Accuracy 5\d\.\d %/);
    assert.equal(record.final.train.steps_to_target, null);
    await lab.go({});
    await lab.press("show-last");
    await lab.at("outcome").waitFor();
    assert.match(await lab.at("last-point").innerText(), /^Step \d+: .+\. It was the last\.$/);
  }));

test("the tour prunes the built-in model, which learns, and leaves the settings alone", () =>
  withLab({ settings: { preset: "salience-random", device: "cpu" } }, async (lab) => {
    const before = new URL(lab.page.url()).search;
    await lab.visitPage("learn");
    await lab.press("learn-start");
    await lab.visitPage("lab");
    const record = await lab.finished();
    assert.equal(new URL(lab.page.url()).search, before);
    assert.equal(record.config.salience, "outlier_aware");
    assert.ok(record.final.metric.test > 0.85, `accuracy ${record.final.metric.test}`);
    const answer = /Accuracy \d\d\.\d % on examples it has never seen, with 3\d\.\d % of the weights/;
    assert.match(await lab.at("outcome").innerText(), answer);
  }));
