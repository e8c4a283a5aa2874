// The built folder works from a sub-path of a static host, asks nobody else for anything, keeps to its policy, and still
// works when the network is cut.

import assert from "node:assert/strict";
import { test } from "node:test";
import { launch } from "../support/browser.mjs";
import { Lab, withLab } from "../support/lab.mjs";
import { DIST } from "../support/paths.mjs";
import { BASE, serve } from "../support/server.mjs";

const PAGES = ["lab", "compare", "try", "learn", "device"];
const RUN = { model: "nano", device: "cpu", steps: 4 };

test("every page opens from a sub-path without a complaint, and every request stays with this origin", () =>
  withLab({}, async (lab) => {
    for (const page of PAGES) await lab.visitPage(page);
    const strays = lab.server.asked.filter((path) => !path.startsWith(BASE) && path !== "/favicon.ico");
    assert.deepEqual(strays, [], "requests outside the sub-path");
  }));

/** The most that may have come before there is something to see, in bytes, compressed or not. */
const FIRST_PICTURE = 0.5e6;

test("a picture of the lab stands, after half a megabyte at most, until its program has come", () =>
  withLab({}, async (lab) => {
    const { page } = lab;
    let release;
    const held = new Promise((resolve) => (release = resolve));
    await page.route("**/*.wasm", async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(lab.server.url, { waitUntil: "commit" });
    const picture = page.locator("#start img");
    await lab.until("the picture", async () => (await picture.count()) > 0 && (await picture.evaluate(({ naturalWidth }) => naturalWidth)));
    await picture.waitFor({ state: "visible" });
    // What was asked for before it may come after it: all of that counts.
    const bytes = async () => {
      const entries = await page.evaluate(() =>
        ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type)).map(({ name, encodedBodySize }) => [name, encodedBodySize]),
      );
      const found = new Map(entries.map(([name, size]) => [name.split(/[/?]/).at(-1), size]));
      const whole = ["apt-page.js", "recorded.jsonl", "preview.png"].every((name) => found.get(name) > 0);
      return whole && entries.reduce((sum, [, size]) => sum + size, 0);
    };
    await lab.until("what is asked for beside the program", bytes);
    const loaded = await bytes();
    console.log(`${(loaded / 1e6).toFixed(2)} MB before the program`);
    assert.ok(loaded > 5e4 && loaded <= FIRST_PICTURE, `${loaded} bytes are loaded for it`);
    release();
    await lab.ready();
    assert.equal(await page.locator("#start").count(), 0, "it stays");
  }));

test("a program that cannot be had is told of, in the place of the picture", () =>
  withLab({ complaints: true }, async (lab) => {
    const { page } = lab;
    await page.route("**/apt-page_bg.wasm", (route) => route.fulfill({ status: 404, body: "none" }));
    await page.goto(lab.server.url);
    const told = page.locator("#start [role=alert]");
    await told.waitFor();
    assert.match(await told.innerText(), /could not start: .*404.*apt-page_bg\.wasm.*[Ll]oading the page again/);
    assert.equal(await page.locator("#start img").count(), 0, "a picture of a lab that does not start");
  }));

test("it can be installed everywhere, and a link to it has a picture", () =>
  withLab({}, async (lab) => {
    const found = await lab.page.evaluate(async () => {
      const size = async (address) => {
        const picture = await createImageBitmap(await (await fetch(address)).blob());
        return `${picture.width}x${picture.height}`;
      };
      const manifest = await (await fetch(document.querySelector("link[rel=manifest]").href)).json();
      const pngs = manifest.icons.filter(({ type }) => type === "image/png");
      const icons = await Promise.all(pngs.map(async (icon) => [icon.purpose, icon.sizes, await size(icon.src)].join(" ")));
      const meta = (name) => document.querySelector(`meta[property="og:${name}"]`).content;
      return {
        icons,
        touch: await size(document.querySelector("link[rel=apple-touch-icon]").href),
        preview: await size(meta("image")),
        said: `${meta("image:width")}x${meta("image:height")}`,
      };
    });
    assert.deepEqual(found, {
      icons: ["any 192x192 192x192", "any 512x512 512x512", "maskable 512x512 512x512"],
      touch: "180x180",
      preview: "1200x630",
      said: "1200x630",
    });
  }));

test("the policy allows no inline script and no code from text", () =>
  withLab({ complaints: true }, async (lab) => {
    // In a task of the page's own: what DevTools evaluates is exempt from the policy.
    const outcome = await lab.page.evaluate(
      () =>
        new Promise((resolve) =>
          setTimeout(() => {
            const script = document.createElement("script");
            script.textContent = "window.inlineRan = true";
            document.head.append(script);
            let evaluated = true;
            try {
              evaluated = new Function("return true")();
            } catch {
              evaluated = false;
            }
            resolve({ inline: window.inlineRan === true, evaluated });
          }),
        ),
    );
    assert.deepEqual(outcome, { inline: false, evaluated: false });
  }));

test("a link may name a model elsewhere, but its host is asked only when the user starts a run", () =>
  withLab({ settings: { model: "https://models.invalid/bert", device: "cpu" }, complaints: true }, async (lab) => {
    await lab.at("foreign").waitFor();
    // The estimate of another setting is made, and with it all that was to be asked before.
    await lab.at("model-builtin").check();
    await lab.at("estimate").getByText("Memory").waitFor();
    assert.deepEqual(lab.outside, [], "a link alone made the lab ask another host");
    await lab.go({ model: "https://models.invalid/bert", device: "cpu" });
    await lab.press("start");
    const fault = await lab.faulted();
    assert.match(fault.where, /models\.invalid/);
    assert.ok(lab.outside.length > 0, "the host was not asked when the run was started");
  }));

test("after one visit the lab opens, and trains, with the server gone", async () => {
  const server = await serve(DIST);
  const browser = await launch();
  try {
    const lab = await Lab.open(browser, server, { offline: true, settings: RUN });
    await lab.page.evaluate(() => navigator.serviceWorker.ready);
    await lab.until("all files to be kept", () =>
      lab.page.evaluate(async () => {
        const kept = await caches.keys();
        const names = await Promise.all(kept.map(async (name) => (await (await caches.open(name)).keys()).length));
        // The last two are asked for in every visit, by no script of the page.
        const told = ["./builtin/model.safetensors", "./apt-worker_bg.wasm", "./icon.svg", "./preview.png"];
        const found = await Promise.all(told.map((name) => caches.match(name)));
        return names.length === 1 && found.every(Boolean) && names[0] > 10;
      }),
    );
    await server.stop();
    await lab.reload();
    await lab.press("start");
    const record = await lab.finished();
    assert.equal(record.curve.length, 4);
    lab.assertQuiet();
  } finally {
    await browser.close();
  }
});

test("a download of the engine that breaks off is tried again, and one that never succeeds is told", () =>
  withLab({ complaints: true }, async (lab) => {
    let failures = 1;
    await lab.visit.route("**/apt-worker_bg.wasm", (route) => (failures-- > 0 ? route.abort() : route.continue()));
    await lab.reload();
    await lab.state("ready");
    failures = Infinity;
    await lab.page.reload();
    await lab.at("panic").waitFor();
    assert.match(await lab.at("panic").locator("pre").textContent(), /could not be loaded in 3 attempts/);
  }));
