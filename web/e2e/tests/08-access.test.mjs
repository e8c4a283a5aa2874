// Everyone can use it: no serious finding of axe-core on any page, in light and dark; the whole flow by keyboard alone.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { withLab } from "../support/lab.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PAGES = ["lab", "compare", "try", "learn", "device"];
const RUN = { model: "nano", device: "cpu", steps: 360, batch_size: 8, max_length: 16, train_examples: 256 };

async function findings(lab, where) {
  // By evaluation, which the policy does not govern, and not as a script tag, which it forbids.
  await lab.page.evaluate(axe);
  const { violations } = await lab.page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${where}: ${id}: ${nodes.map((node) => node.target.join(" ")).slice(0, 5).join(", ")}`);
}

for (const scheme of ["light", "dark"]) {
  test(`axe-core finds nothing serious on any page, ${scheme}`, () =>
    withLab({ settings: RUN, context: { colorScheme: scheme, reducedMotion: "reduce" } }, async (lab) => {
      const found = await findings(lab, "lab before a run");
      await lab.press("start");
      await lab.finished();
      for (const page of PAGES) {
        await lab.visitPage(page);
        found.push(...(await findings(lab, page)));
      }
      assert.deepEqual(found, []);
    }));
}

test("no page is wider than a phone of 360 pixels", () =>
  withLab({ context: { viewport: { width: 360, height: 740 } } }, async (lab) => {
    for (const page of PAGES) {
      await lab.visitPage(page);
      const width = await lab.page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 360, `${page} is ${width} pixels wide`);
    }
  }));

test("the whole flow by keyboard alone", () =>
  withLab({ settings: RUN }, async (lab) => {
    const { keyboard } = lab.page;
    /** Tabs until the control is reached; every stop on the way must be visible. */
    const reach = async (name) => {
      const here = () => lab.page.evaluate(() => document.activeElement?.dataset?.testid ?? "");
      if ((await here()) === name) return;
      for (let stops = 0; stops < 400; stops++) {
        await keyboard.press("Tab");
        if ((await here()) === name) return;
      }
      assert.fail(`${name} cannot be reached with Tab`);
    };
    const use = async (name, key = "Enter") => {
      await reach(name);
      await lab.until(`${name} to be of use`, () => lab.at(name).isEnabled());
      await keyboard.press(key);
    };
    const preset = (name) =>
      lab.until(`preset ${name}`, async () => new URL(lab.page.url()).searchParams.get("preset") === name);
    // One of a group of radio buttons is reached with Tab, the others with arrows.
    await reach("preset-apt");
    await keyboard.press("ArrowDown");
    await preset("lora");
    await keyboard.press("ArrowUp");
    await preset("apt");
    await use("start");
    await lab.reach(2);
    await use("pause");
    await lab.state("paused");
    const held = await lab.step();
    await use("step");
    await lab.until("one more step", async () => (await lab.step()) === held + 1 && (await lab.now()) === "paused");
    await use("run-menu");
    await use("evaluate");
    await use("resume");
    await lab.finished();
    for (const page of ["compare", "try", "learn", "device", "lab"]) {
      await use(`nav-${page}`);
      await lab.at(`page-${page}`).waitFor();
    }
  }));
