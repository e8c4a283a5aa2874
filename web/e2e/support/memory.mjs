// What the lab's tab holds, garbage collected: the process of page and worker, and the linear memories in it.

import { readFile } from "node:fs/promises";

/**
 * Flags of the browser for this: to collect garbage on demand, and not to widen the space for young objects,
 * which it does by tens of MiB when there is much to do and never takes back.
 */
export const FLAGS = ["--js-flags=--expose-gc --max-semi-space-size=1"];

/** Bytes by name. `process` is there on Linux only. */
export async function memory(lab) {
  const worker = await lab.worker();
  const collect = () => globalThis.gc();
  // What one heap lets go of may have been all that held something in the other.
  for (let round = 0; round < 3; round++) {
    await lab.page.evaluate(collect);
    await worker.evaluate(collect);
  }
  const held = {
    worker: await worker.evaluate(() => globalThis.probe.memory.buffer.byteLength),
    page: await lab.page.evaluate(async () => {
      const page = await import("./apt-page.js");
      return (await page.default()).memory.buffer.byteLength;
    }),
  };
  const devtools = await lab.visit.browser().newBrowserCDPSession();
  const { processInfo } = await devtools.send("SystemInfo.getProcessInfo");
  await devtools.detach();
  const renderers = processInfo.filter(({ type }) => type === "renderer");
  const sizes = await Promise.all(
    renderers.map(async ({ id }) => {
      const text = await readFile(`/proc/${id}/smaps_rollup`, "utf8").catch(() => "");
      return 1024 * Number(/^Rss:\s+(\d+)/m.exec(text)?.[1] ?? 0);
    }),
  );
  // The browser keeps spare renderers; the lab's is the largest.
  const largest = Math.max(...sizes);
  return largest > 0 ? { process: largest, ...held } : held;
}

const mebi = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** How much larger `after` is than `before`: as a share of the whole, and in words. */
export function growth(before, after) {
  const whole = (held) => held.process ?? held.worker + held.page;
  const share = whole(after) / whole(before) - 1;
  const parts = Object.keys(before).map((name) => `${name} ${mebi(before[name])} to ${mebi(after[name])}`);
  return { share, summary: `${(100 * share).toFixed(1)} % (${parts.join(", ")})` };
}
