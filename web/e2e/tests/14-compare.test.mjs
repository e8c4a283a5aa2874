// Compare: tabs by address and keyboard; one seed is said to be one seed, and the study that settles it is one press, with
// its time; a phone shows what counts; paper is black on white from any theme.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { easy } from "../support/files.mjs";
import { withLab } from "../support/lab.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TABS = ["answer", "studies", "runs", "curves", "report"];
const RUN = {
  model: "nano", device: "cpu", steps: 96, batch_size: 16, max_length: 16, eval_every: 8, learning_rate: 0.005,
  task: "text", data: "easy.csv",
};
const STUDY = "apt-and-salience-random";

const open = async (lab) => {
  const shown = await Promise.all(TABS.map((tab) => lab.at(`panel-${tab}`).isVisible()));
  return TABS.filter((_, place) => shown[place]).join();
};
const opens = (lab, tab) => lab.until(`the tab ${tab}`, async () => (await open(lab)) === tab);

test("tabs follow the address, Back and the arrow keys", () =>
  withLab({}, async (lab) => {
    await lab.visitPage("compare");
    await opens(lab, "answer");
    await lab.at("no-answer").waitFor();
    await lab.tab("studies");
    assert.equal(new URL(lab.page.url()).hash, "#compare/studies");
    await lab.page.goBack();
    await opens(lab, "answer");
    await lab.at("tab-answer").focus();
    for (const [key, tab] of [["ArrowRight", "studies"], ["End", "report"], ["ArrowRight", "answer"], ["ArrowLeft", "report"]]) {
      await lab.page.keyboard.press(key);
      await opens(lab, tab);
      const focus = await lab.page.evaluate(() => document.activeElement.dataset.testid);
      assert.deepEqual([focus, new URL(lab.page.url()).hash], [`tab-${tab}`, `#compare/${tab}`]);
    }
    // A reload stays; links of before there were tabs still open what they asked for.
    await lab.reload();
    await opens(lab, "report");
    await lab.go({ study: "tuning" });
    await opens(lab, "studies");
    assert.match(await lab.at("study-cost").textContent(), /^20 runs, time unknown until the first run is done$/);
    await lab.page.evaluate(() => location.assign("#compare/runs"));
    await opens(lab, "runs");
  }));

/** Two arms with one seed each. */
async function twoRuns(lab) {
  await lab.bring("files", [{ name: RUN.data, body: easy(), type: "text/csv" }]);
  await lab.until("the file to be kept", async () => RUN.data in (await lab.table("files")));
  for (const preset of ["apt", "salience-random"]) {
    await lab.go({ ...RUN, preset });
    await lab.press("start");
    await lab.finished();
  }
  await lab.visitPage("compare");
}

test("any run can be what the others are compared with, in Compare and behind the curves of the Lab", { timeout: 300_000 }, () =>
  withLab({}, async (lab) => {
    await twoRuns(lab);
    const runs = Object.entries(await lab.records());
    const of = (preset) => runs.find(([, text]) => JSON.parse(text).preset === preset)[0];
    const [apt, random] = [of("apt"), of("salience-random")];
    const TITLE = "Salience: random · seed 1";
    await lab.tab("runs");
    await lab.press(`pin-${random}`);
    assert.match(await lab.at("runs").locator("thead").innerText(), new RegExp(`against ${TITLE}`));
    await lab.tab("answer");
    assert.match(await lab.at("answer").innerText(), /salience-random, on one seed: apt \(/);
    await lab.tab("curves");
    const ghosts = (chart) => lab.at(chart).locator(".legend li:has(.dashes)").allInnerTexts();
    const ghost = async (chart) => (await ghosts(chart)).map((text) => text.split("\n")[0].trim().slice(0, TITLE.length));
    assert.deepEqual(await ghost("compare-metric"), [TITLE]);
    // It is behind the other in the Lab, until none is to be.
    await lab.tab("runs");
    await lab.press(`open-${apt}`);
    await lab.until("the run behind", async () => (await ghosts("chart-metric")).length > 0);
    assert.deepEqual([await ghost("chart-metric"), await lab.at("behind").inputValue()], [[TITLE], random]);
    await lab.at("behind").selectOption({ label: "none" });
    await lab.until("no run behind", async () => (await ghosts("chart-metric")).length === 0);
    // What is compared in Compare is then the whole method again.
    await lab.visitPage("compare");
    assert.match(await lab.at("answer").innerText(), /Beside apt, on one seed: random \(/);
  }));

/** Where the cells of a table's last row end, and whether they are on the screen. */
const cells = (lab, table) =>
  lab.at(table).locator("tbody tr").last().locator("th, td").evaluateAll((cells) =>
    cells.filter((cell) => cell.checkVisibility()).map((cell) => ({
      right: Math.round(cell.getBoundingClientRect().right),
      left: Math.round(cell.getBoundingClientRect().left),
    })),
  );

test("one seed is said to be one, and a press makes it a study of three with its time", { timeout: 300_000 }, () =>
  withLab({}, async (lab) => {
    await twoRuns(lab);
    const said = () => lab.at("answer").innerText();
    await lab.at("run-as-study").waitFor();
    assert.match(await said(), /random[\s\S]*One seed shows no uncertainty; run at least three to compare\./);
    assert.match(await lab.at("run-as-study-cost").textContent(), /^4 runs, about \d+ s on this computer\.$/);

    // A phone shows arm, difference and verdict, and the rest when asked.
    await lab.page.setViewportSize({ width: 390, height: 800 });
    const few = await cells(lab, "answer");
    assert.ok(few.length === 3 && few.every(({ right }) => right <= 390), JSON.stringify(few));
    await lab.at("answer").getByLabel("all columns").check();
    await lab.at("answer").locator(".scroll").evaluate((box) => (box.scrollLeft = 10_000));
    const all = await cells(lab, "answer");
    assert.ok(all.length > 5 && all[0].left >= 0 && all[0].right <= 200, `the names are gone: ${JSON.stringify(all)}`);
    assert.ok(all.at(-1).right <= 390, JSON.stringify(all));
    await lab.page.setViewportSize({ width: 1280, height: 800 });

    await lab.press("run-as-study");
    await opens(lab, "studies");
    const progress = lab.at(`study-progress-${STUDY}`);
    await progress.filter({ hasText: /^[2-5] of 6 done$/ }).waitFor();
    await lab.until("the title", async () => /^run [3-6] of 6, about \d+ s left · Compare/.test(await lab.page.title()));
    await lab.visitPage("lab");
    assert.match(await lab.at("study-line").innerText(), /run [3-6] of 6: (apt|random) at 0\.4, seed [23]; about \d+ s left/);
    await lab.visitPage("compare");
    await lab.tab("studies");
    await progress.filter({ hasText: "6 of 6 done" }).waitFor({ timeout: 200_000 });
    assert.equal(Object.keys(await lab.records()).length, 6, "a run that was there was made again");
    await lab.tab("answer");
    await lab.at("answer").locator("tbody tr").last().filter({ hasText: /random.*±.*3$/s }).waitFor();
    assert.equal(await lab.at("run-as-study").count(), 0);
    assert.doesNotMatch(await said(), /One seed shows/);
    for (const tab of TABS) {
      await lab.tab(tab);
      await lab.page.evaluate(axe);
      const { violations } = await lab.page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      assert.deepEqual(violations.map(({ id, nodes }) => `${tab}: ${id}: ${nodes[0].target}`), []);
    }
    // At 1280 no table is cut.
    for (const tab of ["answer", "runs", "report"]) {
      await lab.tab(tab);
      const cut = await lab.at(`panel-${tab}`).locator(".wide .scroll").evaluateAll((boxes) =>
        boxes.filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => `${box.innerText.slice(0, 40)}: ${box.scrollWidth} > ${box.clientWidth}`),
      );
      assert.deepEqual(cut, [], tab);
    }
  }));

/** What a page of paper shows of a page. */
const onPaper = (page) =>
  page.evaluate(() => {
    const { color, backgroundColor } = getComputedStyle(document.body);
    const shown = (what) => [...document.querySelectorAll(what)].filter((element) => element.checkVisibility()).length;
    const right = [...document.querySelectorAll("table")].map((table) => Math.ceil(table.getBoundingClientRect().right));
    const folded = [...document.querySelectorAll("details table")].filter((table) => table.getBoundingClientRect().height < 10);
    return {
      color,
      paper: backgroundColor,
      controls: shown("nav, button, select, input, [role=tab], .foot"),
      widest: Math.max(...right),
      folded: folded.length,
      tables: right.length,
    };
  });

test("paper is black on white, with whole tables and no controls, from the dark theme too", () =>
  withLab({ context: { colorScheme: "dark" } }, async (lab) => {
    await twoRuns(lab);
    await lab.tab("report");
    const html = await lab.download("report-html");
    await lab.page.setViewportSize({ width: 760, height: 1000 });
    await lab.page.emulateMedia({ media: "print" });
    const theme = () => lab.page.locator("html").getAttribute("data-theme");
    await lab.page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    await lab.until("light charts", async () => (await theme()) === "light");
    const { widest, tables, ...paper } = await onPaper(lab.page);
    assert.deepEqual(paper, { color: "rgb(0, 0, 0)", paper: "rgb(255, 255, 255)", controls: 0, folded: 0 });
    assert.ok(tables >= 3 && widest <= 760, `${tables} tables, ${widest} wide`);
    await lab.page.evaluate(() => dispatchEvent(new Event("afterprint")));
    await lab.until("the dark theme again", async () => (await theme()) === "dark");

    const file = await lab.visit.newPage();
    await file.setViewportSize({ width: 760, height: 1000 });
    await file.emulateMedia({ media: "print", colorScheme: "dark" });
    await file.setContent(html);
    const report = await onPaper(file);
    assert.deepEqual([report.paper, report.controls, report.folded], ["rgb(255, 255, 255)", 0, 0]);
    assert.ok(report.tables >= 3 && report.widest <= 760, JSON.stringify(report));
    await file.close();
  }));
