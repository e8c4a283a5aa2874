// The page's controls are the desktop's knobs, and the address can lock and hide them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { withLab } from "../support/lab.mjs";
import * as native from "../support/native.mjs";

const knobs = JSON.parse(await native.lab("knobs", "--json"));

test("every knob of the desktop is on the page with its help, range and default, and no other", () =>
  withLab({}, async (lab) => {
    for (const details of await lab.at("page-lab").locator("details").all()) {
      await details.evaluate((element) => (element.open = true));
    }
    const shown = await lab.page.evaluate(() =>
      [...document.querySelectorAll('[data-testid^="knob-"]')].map((element) => element.dataset.testid.slice(5)),
    );
    assert.deepEqual(shown.toSorted(), knobs.map((knob) => knob.name).toSorted());
    for (const knob of knobs) {
      const control = lab.at(`knob-${knob.name}`);
      const text = await control.evaluate((element) => {
        const said = (element.getAttribute("aria-describedby") ?? "").split(/\s+/).filter(Boolean);
        return said.map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
      });
      assert.ok(text.includes(knob.help.replace(/\.$/, "")), `${knob.name}: help is "${text}", not "${knob.help}"`);
      if (knob.range) assert.ok(text.includes(knob.range), `${knob.name}: range ${knob.range} is not in "${text}"`);
    }
  }));

test("a locked knob shows its value and cannot be turned; a hidden one is not there", () =>
  withLab({ settings: { density: 0.5, lock: "density,preset", hide: "seed,rank" } }, async (lab) => {
    const density = lab.at("knob-density");
    await density.waitFor({ state: "attached" });
    assert.equal(await density.inputValue(), "0.5");
    assert.ok(await density.isDisabled(), "density is locked and can be changed");
    for (const hidden of ["seed", "rank"]) assert.equal(await lab.at(`knob-${hidden}`).count(), 0, `${hidden} is hidden`);
    assert.ok(await lab.at("knob-rank_scale").isEnabled(), "a knob that is not named is locked");
  }));

test("an address with a value out of range says so and does not start", () =>
  withLab({ settings: { density: "7" } }, async (lab) => {
    const fault = lab.page.getByText("density", { exact: false }).filter({ hasText: /1/ }).first();
    await fault.waitFor();
  }));
