// What Compare says of several seeds is what the desktop's report says of the same records, to the letter.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { withLab } from "../support/lab.mjs";
import * as native from "../support/native.mjs";

const SMALL = { model: "nano", device: "cpu", steps: 24, batch_size: 8, max_length: 16, eval_every: 4 };

test("records of several seeds: the report of the page is the report of the desktop", () =>
  withLab({}, async (lab) => {
    const folder = await mkdtemp(join(tmpdir(), "apt-lab-"));
    try {
      const files = [];
      for (const preset of ["apt", "salience-random", "lora"]) {
        for (const seed of [1, 2]) {
          const { text } = await native.run(preset, { ...SMALL, seed });
          const name = `${preset}-${seed}.json`;
          await writeFile(join(folder, name), text);
          files.push({ name, body: text, type: "application/json" });
        }
      }
      await native.lab("report", ...files.map(({ name }) => join(folder, name)), "--out", join(folder, "out"));
      const desktop = (kind) => readFile(join(folder, "out", `report.${kind}`), "utf8");

      await lab.visitPage("compare");
      await lab.tab("runs");
      await lab.bring("import", files);
      await lab.until("the records", async () => Object.keys(await lab.records()).length === files.length);
      await lab.tab("report");
      const cells = lab.at("report").locator("table").first().locator("tbody tr").filter({ hasText: /random(?!_within)/ });
      await cells.waitFor();
      assert.match(await cells.textContent(), /random2\d/, "the row of two seeds does not say N");
      assert.equal(await lab.download("report-markdown"), await desktop("md"));
      assert.equal(await lab.download("report-html"), await desktop("html"));
      const groups = (text) => JSON.parse(text).sections.flatMap(({ groups }) => groups.map(({ summaries }) => summaries));
      assert.deepEqual(groups(await lab.download("report-json")), groups(await desktop("json")));
      assert.match(await lab.download("report-csv"), /salience-random/);
      const charts = await lab.download("report-svg");
      const drawn = await lab.page.evaluate((svg) => {
        const document = new DOMParser().parseFromString(svg, "image/svg+xml");
        return [document.querySelectorAll("parsererror").length, document.querySelectorAll("svg > svg").length];
      }, charts);
      assert.equal(drawn[0], 0, "the file of charts is not SVG");
      assert.ok(drawn[1] >= 5, `${drawn[1]} charts`);
    } finally {
      await rm(folder, { recursive: true });
    }
  }));
