// The page's controls are the desktop's knobs, and the address can lock and hide them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { withLab } from "../support/lab.mjs";
import * as native from "../support/native.mjs";

const knobs = JSON.parse(await native.lab("knobs", "--json"));

test("every knob of the desktop is on the page with its kind, range and help, and no other", () =>
  withLab({}, async (lab) => {
    const shown = await lab.page.evaluate(() =>
      [...document.querySelectorAll("[data-knob]")].map((element) => {
        const control = element.querySelector('[data-testid^="knob-"]');
        const words = (control?.getAttribute("aria-describedby") ?? "").split(/\s+/);
        return {
          ...element.dataset,
          described: words.map((id) => document.getElementById(id)?.textContent ?? "").join(" "),
          choices: [...element.querySelectorAll("option")].map((option) => option.value),
          boxes: [...element.querySelectorAll('.boxes input')].map((box) => box.dataset.testid.split("-").at(-1)),
        };
      }),
    );
    assert.deepEqual(shown.map(({ knob }) => knob).toSorted(), knobs.map(({ name }) => name).toSorted());
    const close = (text, number) => Number(text) === number;
    for (const knob of knobs) {
      const control = shown.find((other) => other.knob === knob.name);
      const says = `${knob.name}: the page has ${JSON.stringify(control)}, the desktop ${JSON.stringify(knob)}`;
      assert.equal(control.type, knob.type, says);
      assert.ok(control.described.includes(knob.help), says);
      if (knob.min !== undefined) assert.ok(close(control.min, knob.min) && close(control.max, knob.max), says);
      const choices = knob.type === "list" ? control.boxes : control.choices;
      assert.deepEqual(choices, knob.choices ?? [], says);
    }
  }));

test("every knob on the page has the desktop's default", () =>
  withLab({}, async (lab) => {
    for (const { name, type, default: value } of knobs) {
      const control = lab.at(`knob-${name}`);
      if (type === "bool") {
        assert.equal(await control.isChecked(), value, name);
      } else if (type === "list") {
        const ticked = await control.locator("input:checked").evaluateAll((boxes) =>
          boxes.map((box) => box.dataset.testid.split("-").at(-1)),
        );
        assert.deepEqual(ticked.toSorted(), value.split(",").toSorted(), name);
      } else {
        const shown = await control.inputValue();
        // Nothing is shown as nothing, or as the word for it.
        const same = value === null ? ["", "none"].includes(shown) : shown === String(value) || Number(shown) === value;
        assert.ok(same, `${name}: the page shows "${shown}", the desktop has ${value}`);
      }
    }
  }));

test("a locked knob shows its value and cannot be changed; a hidden one is not there", () =>
  withLab({ settings: { density: 0.5, lock: "density,preset", hide: "seed,rank" } }, async (lab) => {
    const density = lab.at("knob-density");
    await density.waitFor({ state: "attached" });
    assert.equal(await density.inputValue(), "0.5");
    assert.ok(await density.isDisabled(), "density is locked and can be changed");
    for (const hidden of ["seed", "rank"]) assert.equal(await lab.at(`knob-${hidden}`).count(), 0, `${hidden} is hidden`);
    assert.ok(await lab.at("knob-rank_scale").isEnabled(), "a knob that is not named is locked");
  }));

test("a value out of range in the address is refused by name and range", () =>
  withLab({ settings: { density: "7" } }, async (lab) => {
    assert.match(await lab.at("misread").innerText(), /“density” to be 7, where a number from 0\.05 to 1 has to stand/);
    assert.equal(await lab.at("knob-density").inputValue(), "0.4", "the value that was refused is in use");
  }));
