// Every preset starts from its address, runs to its end, and leaves a record that the desktop reads; and the other way.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { withLab } from "../support/lab.mjs";
import * as native from "../support/native.mjs";

const SMALL = { model: "nano", device: "cpu", steps: 24, batch_size: 8, max_length: 16, train_examples: 256 };
const presets = JSON.parse(await native.lab("presets", "--json"));

test("every preset runs to its end from its address, and the desktop reads its record", () =>
  withLab({}, async (lab) => {
    const folder = await mkdtemp(join(tmpdir(), "apt-lab-"));
    try {
      for (const { name } of presets) {
        await lab.go({ ...SMALL, preset: name });
        await lab.press("start");
        const record = await lab.finished();
        assert.equal(record.preset, name);
        assert.equal(record.curve.length, SMALL.steps);
        const file = join(folder, `${name}.json`);
        await writeFile(file, (await lab.records())[await lab.name()]);
        assert.match(await native.lab("inspect", file), /layer/i, `${name}: inspect says something else`);
      }
      console.log(`${presets.length} presets`);
    } finally {
      await rm(folder, { recursive: true });
    }
  }));

test("a record of the desktop opens in Compare", () =>
  withLab({}, async (lab) => {
    const { text, record } = await native.run("lora", SMALL);
    await lab.visitPage("compare");
    await lab.tab("runs");
    await lab.bring("import", [{ name: "from-the-desktop.json", body: text, type: "application/json" }]);
    await lab.until("the record", async () => Object.keys(await lab.records()).length === 1);
    const row = lab.at("page-compare").getByText("from-the-desktop", { exact: false }).first();
    await row.waitFor();
    const [kept] = Object.values(await lab.records());
    assert.deepEqual(JSON.parse(kept), record, "the record was changed on its way in");
    // Another record in a file of the same name is another record.
    const other = JSON.stringify({ ...record, preset: null });
    await lab.bring("import", [{ name: "from-the-desktop.json", body: other, type: "application/json" }]);
    await lab.until("both records", async () => Object.keys(await lab.records()).length === 2);
    assert.deepEqual(JSON.parse((await lab.records())["from-the-desktop"]), record, "a record was overwritten");
  }));
