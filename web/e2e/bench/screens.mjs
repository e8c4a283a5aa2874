// Pictures of every page at four widths in both themes, to be looked at before a change of looks is kept:
// cargo xtask screens FOLDER.

import { mkdirSync } from "node:fs";
import { Lab, withLab } from "../support/lab.mjs";

const FOLDER = process.argv[2] ?? "screens";
const SIZES = [[390, 844], [1280, 800], [1440, 900], [1920, 1080]];
const THEMES = ["light", "dark"];
const LEARN = 8;
const TEXT = "The soup was cold but the waiter was kind and quick.";
// Enough steps to prune to the end and learn, few enough for a look.
const RUN = { steps: 128, device: "cpu" };

/** What the page shows now, at every width and in both themes; `whole` takes all of the page, not the first screen. */
async function shoot(lab, name, whole = false) {
  for (const colorScheme of THEMES) {
    await lab.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const [width, height] of SIZES) {
      await lab.page.setViewportSize({ width, height });
      await lab.page.waitForTimeout(400);
      await lab.page.screenshot({ path: `${FOLDER}/${name}-${width}-${colorScheme}.png`, fullPage: whole });
    }
  }
  const [width, height] = SIZES[2];
  await lab.page.setViewportSize({ width, height });
  console.log(name);
}

mkdirSync(FOLDER, { recursive: true });
await withLab({ settings: RUN, complaints: true }, async (lab) => {
  await lab.state("ready");
  await lab.until("the recorded run", async () => Number(await lab.at("scrubber").inputValue()) > 0);
  await shoot(lab, "first");
  await lab.press("share");
  await lab.at("share-local").waitFor();
  await shoot(lab, "share");
  await lab.press("share-close");
  await lab.press("settings");
  await lab.at("settings-search").waitFor();
  await shoot(lab, "settings");
  await lab.press("settings-close");
  for (let step = 1; step <= LEARN; step++) {
    await lab.page.evaluate((hash) => (location.hash = hash), `learn/${step}`);
    await lab.page.waitForTimeout(600);
    await shoot(lab, `learn-${step}`, true);
  }
  await lab.visitPage("lab");
  await lab.press("start");
  await lab.reach(44);
  await lab.press("pause");
  await lab.state("paused");
  await shoot(lab, "pruning");
  await lab.press("resume");
  await lab.finished();
  await lab.at("outcome").waitFor();
  await shoot(lab, "result");
  await lab.page.keyboard.press("p");
  await shoot(lab, "presentation");
  await lab.page.keyboard.press("p");

  const other = await Lab.open(lab.visit.browser(), lab.server, { settings: RUN });
  await other.at("pair-start").waitFor();
  await other.press("pair-start");
  await other.at("pair-outcome").waitFor({ timeout: 300_000 });
  await shoot(other, "pair");
  await other.page.keyboard.press("p");
  await shoot(other, "pair-presentation");
  await other.page.keyboard.press("p");
  for (const tab of ["answer", "studies", "runs", "curves", "report"]) {
    await other.visitPage("compare");
    await other.tab(tab);
    await other.page.waitForTimeout(800);
    await shoot(other, `compare-${tab}`, true);
  }
  await other.visitPage("try");
  await other.at("try-text").fill(TEXT);
  await other.page.locator("[data-testid=try-answer]:not(.stale)").getByTestId("try-right-answer").waitFor();
  await shoot(other, "try");
  await other.visitPage("device");
  await shoot(other, "device");
});
