// The lab as a user sees it. Tests start and pause runs, this file knows the page.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { launch, watch } from "./browser.mjs";
import { DIST } from "./paths.mjs";
import { serve } from "./server.mjs";

/** Milliseconds that anything may take which is no training on the software adapter. */
const TIMEOUT_MS = 60_000;

/** Serves the lab, opens a browser, and gives `use` a lab; then everything is taken down. */
export async function withLab(options, use) {
  const server = await serve(DIST, options.files, options.answers);
  const browser = await launch(options.flags);
  try {
    const lab = await Lab.open(browser, server, options);
    await use(lab);
    if (!options.complaints) lab.assertQuiet();
  } finally {
    await browser.close();
    await server.stop().catch(() => {});
  }
}

export class Lab {
  /** A new visitor's lab; `settings` is what the address holds. */
  static async open(browser, server, { settings = {}, probe = false, offline = false, context = {} } = {}) {
    const visit = await browser.newContext({
      // A service worker would answer in place of a test that replaces files.
      serviceWorkers: offline ? "allow" : "block",
      acceptDownloads: true,
      ...context,
    });
    visit.setDefaultTimeout(TIMEOUT_MS);
    const outside = [];
    visit.on("request", (request) => {
      if (!request.url().startsWith(server.origin) && !/^(data|blob):/.test(request.url())) outside.push(request.url());
    });
    if (probe) {
      const body = await readFile(new URL("probe.js", import.meta.url), "utf8");
      await visit.route("**/start-worker.js", (route) => route.fulfill({ body, contentType: "text/javascript" }));
    }
    const page = await visit.newPage();
    const lab = new Lab(server, visit, page, outside, await watch(page));
    await lab.go(settings);
    return lab;
  }

  /** The same visitor's lab in another tab. */
  async beside(settings) {
    const page = await this.visit.newPage();
    const lab = new Lab(this.server, this.visit, page, this.outside, await watch(page));
    await lab.go(settings);
    return lab;
  }

  constructor(server, visit, page, outside, complaints) {
    Object.assign(this, { server, visit, page, outside, complaints });
  }

  /** Opens the lab with these settings in its address. */
  async go(settings = {}) {
    await this.page.goto(`${this.server.url}?${new URLSearchParams(settings)}`);
    await this.ready();
  }

  /**
   * From the next visit on, the script of every worker has `before` in front of it. The server gives it so: a worker that
   * a worker makes asks past the page's routes.
   */
  async beforeWorkers(before) {
    const script = await readFile(join(DIST, "start-worker.js"), "utf8");
    this.server.put("start-worker.js", "text/javascript", `${before}\n${script}`);
  }

  async reload() {
    await this.page.reload();
    await this.ready();
  }

  async ready() {
    await this.page.locator("[data-testid^=page-]").first().waitFor();
  }

  at(name) {
    return this.page.getByTestId(name);
  }

  async visitPage(name) {
    await this.at(`nav-${name}`).click();
    await this.at(`page-${name}`).waitFor();
  }

  /** Opens a tab of Compare. */
  async tab(name) {
    await this.at(`tab-${name}`).click();
    await this.at(`panel-${name}`).waitFor();
  }

  /** Clicks a button once it can be clicked, in the menu of the run if that is where it is. */
  async press(name) {
    const button = this.at(name);
    await button.waitFor({ state: "attached" });
    const menu = this.page.locator("details.menu:not([open])").filter({ has: button });
    if (name !== "run-menu" && (await menu.count())) await this.at("run-menu").click();
    await button.click();
  }

  /** Chooses a method: on its switch, if it is one idea of APT changed, else by its button. */
  async choose(preset) {
    const own = this.page.locator(`.switches select:has(option[value="${preset}"])`);
    if (await own.count()) await own.selectOption(preset);
    else await this.at(`preset-${preset}`).check();
  }

  /** Waits until the run is in one of these states; a fault that comes instead is the error. */
  async state(...wanted) {
    await this.until(`state ${wanted.join(" or ")}`, async () => wanted.includes(await this.now()));
    return this.now();
  }

  async now() {
    const state = this.at("run-state");
    return (await state.count()) ? ((await state.getAttribute("data-state")) ?? "").trim() : "";
  }

  async step() {
    return Number((await this.at("run-step").textContent()).replaceAll(/\D/g, ""));
  }

  /** Waits until the run has made `step` steps; asks as `until` does. */
  async reach(step, limit = TIMEOUT_MS, every = 0) {
    await this.until(`step ${step}`, async () => (await this.step()) >= step, limit, every);
  }

  /** The run's end: its record. */
  async finished(limit = 300_000) {
    await this.until("the end of the run", async () => (await this.now()) === "done", limit);
    const records = await this.records();
    const name = await this.name();
    assert.ok(records[name], `no record of ${name} among ${Object.keys(records)}`);
    return JSON.parse(records[name]);
  }

  async name() {
    return (await this.at("run-name").textContent()).trim();
  }

  /**
   * Asks again and again until `holds`, each time in the browser's next frame, or after `every` milliseconds: what is asked
   * takes time and memory of the page's, which a measurement must not. A fault ends the wait.
   */
  async until(what, holds, limit = TIMEOUT_MS, every = 0) {
    const end = Date.now() + limit;
    while (!(await holds())) {
      const fault = await this.fault();
      if (fault) assert.fail(`waiting for ${what}: ${JSON.stringify(fault)}`);
      assert.ok(Date.now() < end, `waited in vain for ${what}; state ${await this.now()}; ${this.complaints.join("; ")}`);
      if (every) await setTimeout(every);
      else await this.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
    }
  }

  /** What the page says went wrong, if it says so. */
  async fault() {
    if (await this.at("panic").count()) return { panic: await this.at("panic").first().innerText() };
    if (!(await this.at("fault").count())) return null;
    const part = async (name) => (await this.at(`fault-${name}`).first().innerText()).trim();
    return { what: await part("what"), where: await part("where"), remedy: await part("remedy") };
  }

  /** Waits for the page to say that something went wrong. */
  async faulted(limit = TIMEOUT_MS) {
    await this.at("fault").first().waitFor({ timeout: limit });
    return this.fault();
  }

  /** Takes note of every fault that is shown. */
  async dismissFaults() {
    while (await this.at("fault").count()) await this.press("fault-dismiss");
  }

  /** All rows of a table of the browser's database, by key. */
  async table(name) {
    return this.page.evaluate(async (table) => {
      const wait = (request) =>
        new Promise((resolve, reject) => {
          request.onsuccess = () => resolve(request.result);
          request.onerror = () => reject(request.error);
        });
      const database = await wait(indexedDB.open("apt-lab"));
      try {
        const rows = database.transaction(table).objectStore(table);
        const [keys, values] = await Promise.all([wait(rows.getAllKeys()), wait(rows.getAll())]);
        return Object.fromEntries(keys.map((key, i) => [key, typeof values[i] === "string" ? values[i] : null]));
      } finally {
        database.close();
      }
    }, name);
  }

  /** Every record the browser keeps, as text by name. */
  records() {
    return this.table("records");
  }

  /** What a stored run has said. */
  async events(name) {
    const chunks = await this.table("events");
    const keys = Object.keys(chunks).filter((key) => key.startsWith(`${name}/`)).sort();
    return keys.flatMap((key) => chunks[key].split("\n")).map((line) => JSON.parse(line));
  }

  /** The lab's worker. */
  async worker() {
    const found = () => this.page.workers().find((worker) => worker.url().includes("start-worker"));
    await this.until("the worker", async () => found() !== undefined);
    return found();
  }

  /** Hands files in by the control `name` (`files` in the Lab, `import` in Compare): `[{ name, body, type }]`. */
  async bring(name, files) {
    await this.at(name).setInputFiles(
      files.map(({ name, body, type }) => ({
        name,
        mimeType: type ?? "application/octet-stream",
        buffer: Buffer.from(body),
      })),
    );
  }

  /** Puts files into the browser's database as they are, as an earlier version of the lab kept them: unseen. */
  async keepUnseen(name, files) {
    const encoded = files.map(({ name, body }) => ({ name, body: Buffer.from(body).toString("base64") }));
    await this.page.evaluate(
      async ([key, files]) => {
        const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
        const database = await new Promise((resolve, reject) => {
          const opening = indexedDB.open("apt-lab");
          opening.onsuccess = () => resolve(opening.result);
          opening.onerror = () => reject(opening.error);
        });
        const transaction = database.transaction("files", "readwrite");
        transaction.objectStore("files").put(files.map(({ name, body }) => new File([bytes(body)], name)), key);
        await new Promise((resolve, reject) => Object.assign(transaction, { oncomplete: resolve, onerror: reject }));
        database.close();
      },
      [name, encoded],
    );
    await this.reload();
  }

  /** Presses a button that gives a file, and returns its bytes. */
  async bytes(name) {
    const [file] = await Promise.all([this.page.waitForEvent("download"), this.press(name)]);
    return readFile(await file.path());
  }

  /** As bytes, of text. */
  async download(name, path) {
    const text = (await this.bytes(name)).toString("utf8");
    if (path) await writeFile(path, text);
    return text;
  }

  assertQuiet() {
    assert.deepEqual(this.complaints, [], "the page complained");
    assert.deepEqual(this.outside, [], "requests left the page's own origin");
  }
}
