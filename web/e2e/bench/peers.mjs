// Training steps and inference of the lab in a tab, beside other programs in the same browser and beside its own natively,
// all on one thread, in turn: cargo xtask bench-browser --peers.
//
// Every case has one model of random weights, one batch without padding and one classifier for all (peers/models.py). That
// they do the same work is seen by the loss: the first is the same to 1e-4, and those of training fall.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { launch } from "../support/browser.mjs";
import * as native from "../support/native.mjs";
import { DIST } from "../support/paths.mjs";
import { sendFile, serve } from "../support/server.mjs";

const HERE = fileURLToPath(new URL("./peers/", import.meta.url));
const ASSETS = new URL("../../../assets/builtin/config.json", import.meta.url);
const { values: asked } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    cases: { type: "string", default: "" },
    steps: { type: "string", default: "" },
  },
});
const ROUNDS = Number(asked.rounds);
/** Rounds before those, until what is compiled and allocated once is there; and steps of each round that are not counted. */
const WARM_UPS = 1;
const SKIPPED = 2;
const BATCH = 32;

const builtin = JSON.parse(await readFile(ASSETS, "utf8"));
const BUILTIN = {
  hidden: builtin.hidden_size, heads: builtin.num_attention_heads, layers: builtin.num_hidden_layers,
  neurons: builtin.intermediate_size, vocab: builtin.vocab_size,
};
const MINILM = { hidden: 384, heads: 12, layers: 6, neurons: 1536, vocab: 30522 };
const TRAINING = { name: "ort-training", says: "onnxruntime-web/training 1.19.2", trains: true };
const INFERENCE = { name: "ort-inference", says: "onnxruntime-web 1.30.0", trains: false };
const CASES = [
  ...[16, 24, 32].map((length) => ({ ...BUILTIN, length, name: `builtin-${length}`, says: `built-in model, ${length} tokens`, steps: 22, peers: [TRAINING] })),
  { ...MINILM, length: 64, name: "minilm-64", says: "MiniLM-L6, 64 tokens", steps: 8, peers: [TRAINING, INFERENCE] },
].filter(({ name }) => !asked.cases || asked.cases.split(",").includes(name));

/** The settings of a run; what is left is the preset's, `lora`. The rate is the peers': it neither climbs nor falls. */
const knobs = (of, places) => ({
  task: "text", steps: of.steps, batch_size: BATCH, max_length: of.length, shards: 1, device: "cpu", eval_every: 100_000,
  lr_warmup: 0, lr_curve: "constant", keep: "last", ...places,
});
/** What the preset `lora` is. */
const LORA = { density: 1, rank_growth: "static", distillation: "off" };

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

/** A record's step, inference and losses, times in milliseconds. */
function measured({ curve, final }) {
  const steps = curve.slice(1).map((point, i) => 1e3 * (point.seconds - curve[i].seconds));
  return { step: median(steps.slice(SKIPPED)), inference: final.inference.batch_32.compact_ms, losses: curve.map(({ loss }) => loss) };
}

function compared(who, losses, first, trains) {
  assert.ok(Math.abs(losses[0] - first) < 1e-4 * Math.max(1, first), `${who}: the first loss is ${losses[0]}, ours ${first}`);
  if (trains) assert.ok(losses.at(-1) < losses[0], `${who}: the loss does not fall: ${losses.join(", ")}`);
}

/** All rounds of a case: milliseconds of each way's rounds. */
async function rounds(of, { page, folder, origin }) {
  const at = `${origin}/peers/models/${of.name}`;
  await page.evaluate(([name, at]) => window.keepTexts(name, at), [of.name, at]);
  for (const { name } of of.peers) await page.evaluate(([peer, at]) => window.openPeer(peer, at), [name, at]);
  const times = {};
  const losses = {};
  const note = (way, round, value) => round >= WARM_UPS && (times[way] ??= []).push(value);
  let device;
  for (let round = 0; round < WARM_UPS + ROUNDS; round++) {
    const record = await page.evaluate((knobs) => window.runOurs(knobs), { ...LORA, ...knobs(of, { model: at, data: of.name }) });
    device = record.provenance.device;
    const ours = measured(record);
    note("step", round, ours.step);
    note("inference", round, ours.inference);
    losses.ours = ours.losses;
    for (const { name } of of.peers) {
      const run = await page.evaluate(([name, times]) => window.runPeer(name, times), [name, of.steps]);
      note(name, round, median(run.milliseconds.slice(SKIPPED)));
      (losses[name] ??= []).push(...run.losses);
    }
    const there = measured((await native.run("lora", knobs(of, { model: join(folder, of.name), data: join(folder, of.name, "data") }), 1)).record);
    note("nativeStep", round, there.step);
    note("nativeInference", round, there.inference);
    losses.native = there.losses;
  }
  for (const { name } of of.peers) await page.evaluate((name) => window.closePeer(name), name);
  const [first] = losses.ours;
  compared("ours", losses.ours, first, true);
  compared("ours natively", losses.native, first, true);
  for (const { name, trains } of of.peers) compared(name, losses[name], first, trains);
  const said = Object.entries(losses).map(([way, of]) => `${way} ${of[0].toFixed(5)} to ${of.at(-1).toFixed(5)}`);
  console.error(`${of.says}: ${device}; losses ${said.join(", ")}`);
  return times;
}

const spread = (values) => `${median(values).toFixed(1)} (${Math.min(...values).toFixed(1)}–${Math.max(...values).toFixed(1)})`;
const ratio = (ours, theirs) => (median(ours) / median(theirs)).toFixed(2);

function rows(of, times) {
  const load = loadavg()[0].toFixed(1);
  const line = (what, ours, beside) =>
    beside.map(([says, theirs]) => `| ${of.says}: ${what} | ${spread(ours)} | ${says} | ${spread(theirs)} | ${ratio(ours, theirs)} |`);
  const peers = (trains) => of.peers.filter((peer) => peer.trains === trains).map(({ name, says }) => [says, times[name]]);
  return [
    ...line("training step", times.step, [...peers(true), ["ours, native", times.nativeStep]]),
    ...line("inference", times.inference, [...peers(false), ["ours, native", times.nativeInference]]),
    `(load afterwards ${load})`,
  ];
}

const folder = await mkdtemp(join(tmpdir(), "apt-peers-"));
const shapes = CASES.map(({ name, hidden, heads, layers, neurons, vocab, length }) => ({ name, hidden, heads, layers, neurons, vocab, length, batch: BATCH }));
const PLACES = { models: folder, packages: join(process.env.APT_PEERS_NODE, "node_modules") };
const blank = { type: "text/html; charset=utf-8", body: '<!doctype html><title>Benchmark</title><script type="module" src="page.mjs"></script>' };
let server;
let browser;
try {
  await promisify(execFile)(process.env.APT_PEERS_PYTHON, [join(HERE, "models.py"), folder, JSON.stringify(shapes)]);
  server = await serve(DIST, { "/peers/": blank }, (request, response, path) => {
    const [, under, place, ...rest] = path.split("/");
    if (under !== "peers" || !place) return false;
    sendFile(response, place in PLACES ? join(PLACES[place], ...rest) : join(HERE, place));
    return true;
  });
  browser = await launch();
  console.log(`${cpus().length} × ${cpus()[0].model}, Chromium ${browser.version()}, ${BATCH} sequences, one thread each, load before ${loadavg()[0].toFixed(1)}`);
  const page = await browser.newPage();
  page.on("console", (message) => message.type() === "error" && console.error(message.text()));
  page.setDefaultTimeout(0);
  await page.goto(`${server.origin}/peers/`);
  await page.waitForFunction(() => window.openOurs);
  await page.evaluate((lab) => window.openOurs(lab), server.url);
  console.log(`\n| ms, median (range) of ${ROUNDS} rounds | ours in the tab | beside | | ours to it |\n|---|---|---|---|---|`);
  for (const of of CASES) {
    for (const row of rows(of, await rounds(of, { page, folder, origin: server.origin }))) console.log(row);
  }
} finally {
  await browser?.close();
  await server?.stop();
  await rm(folder, { recursive: true });
}
