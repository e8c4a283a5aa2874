// The browser: found, started with WebGPU, and watched. Whatever a page complains about fails the test that opened it.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

function executable() {
  const found = [process.env.CHROME, ...PLACES, chromium.executablePath()].find((path) => path && existsSync(path));
  assert.ok(found, "there is no Chromium; install it or name one in CHROME");
  return found;
}

/** Starts a browser; one that crashes at its start, before it has seen the lab, is started once more, and that is told. */
export async function launch(more = []) {
  return start(more).catch((error) => {
    console.log(`the browser did not start: ${String(error).split("\n")[0]}`);
    return start(more);
  });
}

async function start(more) {
  return chromium.launch({
    executablePath: executable(),
    headless: true,
    ignoreDefaultArgs: ["--disable-gpu"],
    args: [
      "--enable-unsafe-webgpu",
      "--disable-quic",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      ...more,
    ],
  });
}

/** Notes everything `page` complains about: errors, console errors, breaches of the policy. */
export async function watch(page) {
  const seen = [];
  page.on("pageerror", (error) => seen.push(`uncaught: ${error.stack ?? error}`));
  page.on("console", (message) => {
    if (message.type() === "error") seen.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("crash", () => seen.push("the page crashed"));
  await page.exposeFunction("complainOfPolicy", (text) => seen.push(`policy: ${text}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      window.complainOfPolicy(`${event.violatedDirective} ${event.blockedURI} ${event.sample} ${event.sourceFile}`),
    );
  });
  return seen;
}
