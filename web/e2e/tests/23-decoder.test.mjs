// Decoders in the lab: the built-in one is pruned and writes, a small one agrees with the desktop on both devices.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { withLab } from "../support/lab.mjs";
import * as native from "../support/native.mjs";
import { sameLosses, sameMasks } from "../support/same.mjs";

const SHORT = { steps: 24, batch_size: 8, train_examples: 256, tune_first: 0, prune_fraction: 0.6, num_prunings: 3, eval_every: 24 };

/** What an author has written so far. */
const written = async (lab, side) => (await lab.at(`try-${side}-text`).getByTestId("try-written").textContent()) ?? "";
const standing = async (lab, side) => (await lab.at(`try-${side}-text`).getByTestId("try-standing").textContent()) ?? "";

/** The files of the built-in decoder, as a folder of one's own has them. */
const decoder = (name) => readFileSync(new URL(`../../../assets/builtin/decoder/${name}`, import.meta.url));

test("the built-in decoder is pruned on the CPU, told by its perplexity, and writes beside the model it was", () =>
  withLab({ settings: { ...SHORT, device: "cpu" } }, async (lab) => {
    const fetched = [];
    lab.visit.on("request", (request) => fetched.push(new URL(request.url()).pathname));
    await lab.reload();
    await lab.until("the estimate", async () => /Memory/.test(await lab.at("estimate").innerText()));
    const isDecoder = (path) => path.includes("/builtin/decoder/");
    assert.deepEqual(fetched.filter(isDecoder), [], "it is fetched before it is chosen");
    await lab.at("model-builtin-decoder").check();
    await lab.press("start");
    const record = await lab.finished(600_000);
    assert.ok(fetched.some(isDecoder), "no file of it was seen on its way");
    assert.equal(record.config.objective, "causal_lm");
    assert.equal(record.final.metric.name, "perplexity");
    assert.ok(record.final.metric.test < 30, `perplexity ${record.final.metric.test}`);
    assert.equal(record.shape.wiring.queries_per_key, 2);
    assert.ok(record.final.params.kept < 0.45 * record.final.params.dense, "it was not pruned");
    await lab.until("the outcome", async () => /Perplexity .* \(less is better\)/.test(await lab.at("outcome").innerText()));
    assert.match(await lab.at("picture-words").innerText(), /key-value heads/);

    await lab.visitPage("try");
    assert.match(await lab.at("try-left").innerText(), /builtin-decoder as it came/);
    await lab.at("try-prompt").fill("The soup");
    await lab.press("try-write");
    const over = async () => /ended|as long/.test(await standing(lab, "left")) && /ended|as long/.test(await standing(lab, "right"));
    await lab.until("both texts", over);
    const first = [await written(lab, "left"), await written(lab, "right")];
    assert.match(first[0], /^ was [a-z ]+/, `the whole model wrote ${JSON.stringify(first[0])}`);
    assert.ok(first[1].length > 0 && !first.join("").includes("\uFFFD"), JSON.stringify(first));
    console.log(`whole: The soup${first[0]} (${await standing(lab, "left")})\npruned: The soup${first[1]} (${await standing(lab, "right")})`);

    // The likeliest tokens are the same again; draws are by the seed.
    const again = async (temperature, seed) => {
      await lab.at("try-temperature").fill(temperature);
      await lab.at("try-seed").fill(seed);
      await lab.press("try-write");
      await lab.until("both texts again", over);
      return [await written(lab, "left"), await written(lab, "right")];
    };
    assert.deepEqual(await again("0", "2"), first);
    const drawn = await again("1.5", "1");
    assert.notDeepEqual(drawn, first);
    assert.deepEqual(await again("1.5", "1"), drawn);
    assert.notDeepEqual(await again("1.5", "2"), drawn);
  }));

test("writing stops between two tokens when it is told to, and what is no prompt is refused", () =>
  withLab({ settings: { model: "nano-decoder", steps: 2, batch_size: 4, train_examples: 64, preset: "lora", device: "cpu" } }, async (lab) => {
    await lab.press("start");
    await lab.finished();
    await lab.visitPage("try");
    // Each token is held back a little, so that there is a time between two in which to press the button.
    const worker = await lab.worker();
    await worker.evaluate(() => {
      const post = globalThis.postMessage.bind(globalThis);
      globalThis.postMessage = (...parts) => {
        const end = performance.now() + 120;
        while (performance.now() < end);
        post(...parts);
      };
    });
    await lab.at("try-temperature").fill("1");
    await lab.press("try-write");
    await lab.until("a few tokens", async () => /^[3-9] tokens/.test(await standing(lab, "left")));
    await lab.press("try-stop");
    const stopped = async (side) => /stopped/.test(await standing(lab, side));
    await lab.until("the end", async () => (await stopped("left")) && (await stopped("right")));
    assert.ok(Number((await standing(lab, "left")).split(" ")[0]) < 40, await standing(lab, "left"));
    await lab.at("try-prompt").fill("so long ".repeat(80));
    await lab.press("try-write");
    const fault = await lab.faulted();
    assert.match(fault.what, /tokens, and the model takes 64/);
    await lab.dismissFaults();
    assert.match(await standing(lab, "left"), /stopped/);
  }));

test("a decoder's folder and a text are dropped, trained and written with", () =>
  withLab({ settings: { ...SHORT, steps: 6, density: 0.6, device: "cpu" } }, async (lab) => {
    const names = ["config.json", "tokenizer.json", "model.safetensors"];
    await lab.bring("files", names.map((name) => ({ name, body: decoder(name) })));
    await lab.until("the model", async () => (await lab.page.locator('input[name="model"]:checked').inputValue()) !== "builtin");
    await lab.until("the objective", async () => /causal_lm/.test(lab.page.url()));
    const text = Array.from({ length: 60 }, (_, n) => `The ${["soup", "plot", "room"][n % 3]} was ${["superb", "poor"][n % 2]}.`);
    await lab.bring("files", [{ name: "reviews.txt", body: text.join("\n<|endoftext|>\n"), type: "text/plain" }]);
    await lab.at("data-card").waitFor();
    assert.match(await lab.at("data-card").innerText(), /54 for training/);
    await lab.press("start");
    const record = await lab.finished();
    assert.deepEqual([record.config.task, record.config.objective], ["text", "causal_lm"]);
    assert.equal(record.provenance.data.tokens[0].texts, 54);
    await lab.visitPage("try");
    await lab.press("try-write");
    await lab.until("the text", async () => /ended|as long/.test(await standing(lab, "right")));
  }));

const NANO = {
  model: "nano-decoder", steps: 24, batch_size: 8, max_length: 16, train_examples: 256,
  tune_first: 0, prune_fraction: 0.6, num_prunings: 3, eval_every: 24, mask_step: 0.25,
};

for (const [device, backend] of [["cpu", "flex"], ["webgpu", "wgpu/webgpu"]]) {
  test(`a decoder on ${device} agrees with the desktop's CPU`, () =>
    withLab({ settings: { ...NANO, device } }, async (lab) => {
      const theirs = native.run("apt", { ...NANO, device: "cpu" });
      await lab.press("start");
      const ours = await lab.finished(900_000);
      const { record } = await theirs;
      const worst = sameLosses(ours, record, 20, 1e-3);
      const points = sameMasks(ours, record);
      assert.ok(points >= 3, `only ${points} pruning points`);
      assert.equal(ours.provenance.backend, backend);
      console.log(`${device}: losses within ${worst.toExponential(1)}, ${points} pruning points equal, ` +
        `${ours.curve.at(-1).seconds.toFixed(1)} s`);
    }));
}
