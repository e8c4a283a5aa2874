// Frame times of the stage at the size of BERT-base (12 layers of 12 heads and 3,072 neurons, 768 hidden dims), playing
// while a model trains in another tab of the same browser: cargo xtask bench-browser.

import { readFile } from "node:fs/promises";
import { DIST } from "../support/paths.mjs";
import { withLab } from "../support/lab.mjs";

const [LAYERS, HEADS, NEURONS, HIDDEN] = [12, 12, 3072, 768];
const SECONDS = 20;

/** A number from 0 to 1 for each unit, the same in every run: units go in the order of these. */
const order = (unit) => ((unit * 2654435761) % 4294967296) / 4294967296;
const kept = (count, share, seed) => [...Array(count).keys()].filter((unit) => order(unit + seed * 7919) < share);
function bits(units, count) {
  const bytes = Buffer.alloc(Math.ceil(count / 8));
  for (const unit of units) bytes[unit >> 3] |= 1 << (unit & 7);
  return bytes.toString("base64");
}

/** The recorded run on a model of another size: the same points, other units. */
function enlarged(text) {
  const layers = [...Array(LAYERS).keys()];
  const rename = (name) => layers.map((layer) => name.replace(/\.\d+\./, `.${layer}.`));
  const ranks = (all) => Object.fromEntries(Object.entries(all).flatMap(([name, rank]) => rename(name).map((of) => [of, rank])));
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const event = JSON.parse(line);
      if (event.event === "started") {
        event.shape = { heads: layers.map(() => HEADS), neurons: layers.map(() => NEURONS), hidden: HIDDEN, head_size: 64 };
        event.adapters = event.adapters.filter(({ name }) => /\.0\./.test(name)).flatMap((one) => rename(one.name).map((name) => ({ ...one, name })));
      }
      if (event.event === "pruned") {
        const share = event.density;
        const heads = layers.map((layer) => kept(HEADS, share, layer));
        const neurons = layers.map((layer) => kept(NEURONS, share, 100 + layer));
        const hidden = kept(HIDDEN, 0.5 + share / 2, 99);
        Object.assign(event, {
          heads: heads.map((of) => of.length), kept_heads: heads,
          neurons: neurons.map((of) => of.length), kept_neurons: neurons.map((of) => bits(of, NEURONS)),
          hidden: hidden.length, kept_hidden: hidden, ranks: ranks(event.ranks),
        });
        delete event.salience;
        delete event.exceptions;
      }
      if (event.event === "grown") event.ranks = ranks(event.ranks);
      return JSON.stringify(event);
    })
    .join("\n");
}

const recorded = enlarged(await readFile(`${DIST}/recorded.jsonl`, "utf8"));
await withLab({ settings: {}, context: { viewport: { width: 1440, height: 900 } } }, async (lab) => {
  const other = await lab.beside({ model: "nano", device: "cpu", steps: 100_000, preset: "lora" });
  await other.press("start");
  await other.reach(20);
  await lab.page.bringToFront();
  await lab.page.route("**/recorded.jsonl", (route) => route.fulfill({ body: recorded, contentType: "text/plain" }));
  await lab.go({});
  await lab.until("the stage", async () => (await lab.at("picture-words").innerText()).includes("36864 neurons"));
  // What the page does while it loads is not what the stage costs.
  await lab.state("ready");
  const measured = await lab.page.evaluate(async (seconds) => {
    const long = [];
    new PerformanceObserver((list) => long.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask" });
    const times = [];
    const end = performance.now() + 1e3 * seconds;
    let before = await new Promise(requestAnimationFrame);
    while (performance.now() < end) {
      const now = await new Promise(requestAnimationFrame);
      times.push(now - before);
      before = now;
    }
    return { times, long };
  }, SECONDS);
  const times = measured.times.toSorted((a, b) => a - b);
  const at = (share) => times[Math.floor(share * (times.length - 1))].toFixed(1);
  console.log(
    `the stage at ${LAYERS} × ${HEADS} × ${NEURONS} × ${HIDDEN}, playing beside a training: ${times.length} frames in ${SECONDS} s, ` +
      `median ${at(0.5)} ms, 95th percentile ${at(0.95)} ms, longest ${at(1)} ms; ` +
      `${measured.long.length} tasks above 50 ms${measured.long.length ? ` (longest ${Math.max(...measured.long)} ms)` : ""}`,
  );
});
