// What a lecturer does: hand the lab out by a link, hold a run, start over for the next group, show it to a room; and
// what is said where a link or another tab is in the way.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Lab, withLab } from "../support/lab.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RUN = { model: "nano", device: "cpu", steps: 4000, batch_size: 8, max_length: 16, train_examples: 512 };

/** Every setting as its control shows it. */
const shown = (lab) =>
  lab.page.evaluate(() => {
    const value = (control) =>
      control.matches("[type=checkbox]") ? control.checked
        : control.matches("div") ? [...control.querySelectorAll("input:checked")].map((box) => box.dataset.testid).join()
        : control.value;
    const controls = [...document.querySelectorAll("[data-knob]")].map((knob) => [
      knob.dataset.knob,
      knob.querySelector('[data-testid^="knob-"]'),
    ]);
    return Object.fromEntries(controls.map(([name, control]) => [name, value(control)]));
  });

test("a shared link opens the lab as it was set, with what is locked and hidden for the room", () =>
  withLab({ settings: { preset: "lora-prune", seed: 7, density: 0.3, adapters: "query,value", mask_step: 0.05 } }, async (lab) => {
    await lab.press("share");
    await lab.at("share-local").waitFor();
    await lab.at("share-page").selectOption("device");
    await lab.at("share-present").check();
    await lab.at("share-room").locator("summary").click();
    await lab.at("share-lock-density").check();
    await lab.at("share-hide-rank").check();
    await lab.page.evaluate(axe);
    const { violations } = await lab.page.evaluate(() => window.axe.run(document));
    assert.deepEqual(violations.map(({ id }) => id), []);
    const link = await lab.at("share-link").getAttribute("href");
    assert.equal(await lab.at("share-link").innerText(), link);
    const asked = new URL(link);
    assert.equal(asked.hash, "#device");
    assert.equal(asked.search, "?preset=lora-prune&adapters=query,value&density=0.3&mask_step=0.05&seed=7&lock=density&hide=rank&present=true");
    const box = await lab.at("share-qr").boundingBox();
    assert.ok(box.width > 400 && Math.abs(box.width - box.height) < 2, `the code is ${box.width} by ${box.height}`);
    await lab.press("share-close");
    assert.ok(await lab.at("knob-density").isEnabled(), "it is locked for who shares it, too");
    const here = await shown(lab);

    const room = await Lab.open(lab.visit.browser(), lab.server);
    await room.page.goto(link);
    await room.at("page-device").waitFor();
    assert.equal(await room.page.evaluate(() => document.documentElement.hasAttribute("data-present")), true);
    await room.page.keyboard.press("p");
    await room.visitPage("lab");
    const { rank, ...others } = here;
    assert.equal(rank, "8");
    assert.deepEqual(await shown(room), others);
    assert.ok(await room.at("knob-density").isDisabled());
    room.assertQuiet();
  }));

test("first one button; what throws work away, or puts a run aside, asks", () =>
  withLab({ settings: RUN }, async (lab) => {
    await lab.state("ready");
    const buttons = () => lab.page.locator(".controls button:visible, .controls summary:visible").allInnerTexts();
    assert.deepEqual(await buttons(), ["Start"]);
    assert.match(await lab.at("expected-time").innerText(), /known after a few steps/);
    await lab.press("start");
    await lab.reach(3);
    assert.deepEqual(await buttons(), ["Pause", "Stop", "⋯"]);
    await lab.press("pause");
    await lab.state("paused");
    assert.deepEqual(await buttons(), ["Resume", "Step", "Stop", "⋯"]);
    const [name, held] = [await lab.name(), await lab.step()];
    for (const what of ["restart", "start"]) {
      await lab.press(what);
      assert.match(await lab.at("confirm").innerText(), new RegExp(`APT · seed 1 is at step ${held} of 4000\\.`));
      await lab.press("confirm-no");
      assert.deepEqual([await lab.name(), await lab.step(), await lab.now()], [name, held, "paused"]);
    }
    await lab.press("restart");
    await lab.press("confirm-yes");
    await lab.state("running", "loading");
    await lab.press("pause");
    await lab.state("paused");
    assert.equal(await lab.name(), name);
    await lab.press("start");
    await lab.press("confirm-yes");
    await lab.until("another run", async () => (await lab.name()) !== name);
    await lab.reach(1);
    assert.equal(Object.keys(await lab.table("runs")).length, 2);
  }));

test("how long a run takes here is told before anything was run here", () =>
  withLab({ settings: { device: "cpu" } }, async (lab) => {
    await lab.state("ready");
    for (const name of ["expected-time", "pair-time"]) {
      await lab.until(name, async () => /^about .* on this computer$/.test(await lab.at(name).innerText()));
    }
    assert.equal(Object.keys(await lab.table("runs")).length, 0, "steps that are thrown away are no run");
  }));

test("the next group finds the lab as the link sets it, and the runs in Compare", () =>
  withLab({ settings: { ...RUN, steps: 30 } }, async (lab) => {
    const link = new URL(lab.page.url()).searchParams;
    await lab.at("preset-lora").check();
    await lab.press("start");
    await lab.finished();
    assert.match(await lab.at("expected-time").innerText(), /about \d+ s on this computer/);
    const first = await lab.name();
    await lab.press("start");
    await lab.until("the second run", async () => (await lab.name()) !== first);
    await lab.reach(2);
    await lab.press("start-over");
    await lab.press("confirm-yes");
    await lab.state("ready");
    await lab.at("opening").waitFor();
    assert.ok(await lab.at("preset-apt").isChecked());
    const query = new URL(lab.page.url()).searchParams;
    for (const [name, value] of link) assert.equal(query.get(name), value, name);
    for (const offer of ["resume-stored", "show-last"]) assert.equal(await lab.at(offer).count(), 0, offer);
    assert.equal(Object.keys(await lab.table("runs")).length, 2);
    assert.equal(await lab.at("start-over").count(), 0, "there is nothing to start over");
  }));

test("what a link asked for and the lab does not know is told at once, and the rest counts", () =>
  withLab({ settings: { sparsity: 0.6, seed: 3 } }, async (lab) => {
    const told = "This link asked for “sparsity”, which the lab does not know; everything else was taken over.";
    assert.ok((await lab.at("misread").innerText()).startsWith(told), await lab.at("misread").innerText());
    assert.equal(await lab.at("knob-seed").inputValue(), "3");
    await lab.press("misread-dismiss");
    await lab.go({ sparsity: 0.6, density: 7, lock: "densety", present: "maybe" });
    assert.equal(await lab.at("misread").locator("li").count(), 4);
    assert.equal(await lab.at("fault").count(), 0);
  }));

test("a run that goes on in another tab is not offered, until that tab lets go of it", () =>
  withLab({ settings: { ...RUN, steps: 20_000 } }, async (lab) => {
    await lab.press("start");
    await lab.reach(3);
    const other = await lab.beside({});
    await other.at("goes-on").waitFor();
    assert.match(await other.at("goes-on").innerText(), /APT · seed 1 goes on in another tab of this browser/);
    assert.equal(await other.at("resume-stored").count(), 0);
    // No goodbye: the tab is simply gone.
    await lab.page.close();
    await other.press("resume-stored");
    await other.reach(4);
    assert.deepEqual(other.complaints, []);
  }));

test("a presentation is led by keys, which are letters again in a field", () =>
  withLab({ settings: RUN }, async (lab) => {
    const { keyboard } = lab.page;
    const presenting = () => lab.page.evaluate(() => document.documentElement.hasAttribute("data-present"));
    await lab.state("ready");
    await lab.press("present");
    assert.ok(await presenting());
    assert.equal(new URL(lab.page.url()).searchParams.get("present"), "true");
    assert.ok(!(await lab.at("nav-compare").isVisible()) && !(await lab.at("preset-apt").isVisible()));
    await lab.press("start");
    await lab.reach(2);
    // The button that was clicked has the focus; the page has it after a click beside everything.
    await lab.page.evaluate(() => document.activeElement.blur());
    await keyboard.press("Space");
    await lab.state("paused");
    const held = await lab.step();
    await keyboard.press(".");
    await lab.until("one more step", async () => (await lab.step()) === held + 1 && (await lab.now()) === "paused");
    await keyboard.press("Escape");
    assert.ok(!(await presenting()));
    assert.ok(await lab.at("preset-apt").isVisible());
    await keyboard.press("Space");
    assert.equal(await lab.now(), "paused", "the space bar counts outside of a presentation");
    await lab.visitPage("try");
    await lab.at("try-text").focus();
    await keyboard.press("p");
    assert.ok(!(await presenting()), "a letter typed into a field begins a presentation");
    await lab.visitPage("lab");
    await keyboard.press("p");
    assert.ok(await presenting());
  }));
