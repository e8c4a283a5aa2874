// Training steps and inference of the lab in a tab, beside other programs in the same browser and beside its own
// natively, all on one thread, in turn: cargo xtask bench-browser --peers.
//
// Every case has one model of random weights, one batch without padding and one classifier for all (peers/models.py).
// That they do the same work is seen by the loss: the first is the same to 1e-4, and those of training fall.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { launch } from "../support/browser.mjs";
import { DIST } from "../support/paths.mjs";
import { sendFile, serve } from "../support/server.mjs";
import { CASES, EVALUATED, knobs, LORA } from "./peers/cases.mjs";
import * as native from "./peers/native.mjs";
import { perStep, workersOf } from "./peers/processor.mjs";

const HERE = fileURLToPath(new URL("./peers/", import.meta.url));
const OPTIONS = { rounds: { type: "string", default: "5" }, cases: { type: "string" } };
const { rounds, cases } = parseArgs({ options: OPTIONS }).values;
const ROUNDS = Number(rounds);
/** Rounds before those, until what is compiled and allocated once is there; steps of every round that do not count. */
const WARM_UPS = 1;
const SKIPPED = 2;
const chosen = CASES.filter(({ name }) => !cases || cases.split(",").includes(name));
const names = CASES.map(({ name }) => name).join(", ");
assert.ok(chosen.length && ROUNDS > 0, `there are the cases ${names}, and it takes a round`);

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

/** The page of the benchmark, and what it takes to time what happens in it. */
class Bench {
  constructor(page, origin, folder) {
    Object.assign(this, { page, origin, folder, told: [], processor: () => null });
  }

  /** Calls a function of peers/page.mjs. */
  ask(name, ...given) {
    return this.page.evaluate(([name, given]) => window[name](...given), [name, given]);
  }

  async open(lab) {
    await this.page.exposeFunction("stepMade", (step) => this.told.push([step, this.processor()]));
    await this.page.goto(`${this.origin}/peers/`);
    await this.page.waitForFunction(() => window.openOurs);
    await this.ask("openOurs", lab);
  }

  async prepare({ name, peers }) {
    this.models = `${this.origin}/peers/models/${name}`;
    await this.ask("keepTexts", name, this.models);
    for (const { name } of peers) await this.ask("openPeer", name, this.models);
    this.processor = await workersOf(this.page.context().browser());
  }

  async close({ peers }) {
    for (const { name } of peers) await this.ask("closePeer", name);
  }

  /** The milliseconds of processor time that `act` takes in the workers. */
  async computed(act) {
    const before = this.processor();
    await act();
    return before === null ? null : this.processor() - before;
  }

  /** A run of ours in the tab, and where peers infer one that holds and evaluates. */
  async ours(of) {
    this.told = [];
    const asked = { ...LORA, ...knobs(of, this.models, of.name) };
    const record = await this.ask("runOurs", asked);
    const run = measured({ record, told: this.told });
    if (of.peers.some(({ trains }) => !trains)) {
      await this.ask("holdOurs", { ...asked, steps: 1000 });
      run.inferenceComputed = await this.computed(() => this.ask("evaluateOurs"));
      if (run.inferenceComputed !== null) run.inferenceComputed /= EVALUATED;
      await this.ask("closeOurs");
    }
    return { ...run, device: record.provenance.device };
  }

  /** Its share of as many steps of a peer. */
  async peer({ name, share }, of) {
    const counted = Math.max(1, Math.ceil(share * (of.steps - SKIPPED)));
    const first = await this.ask("runPeer", name, SKIPPED);
    let then;
    const computed = await this.computed(async () => (then = await this.ask("runPeer", name, counted)));
    const losses = [...first.losses, ...then.losses];
    return { clock: median(then.milliseconds), computed: computed && computed / counted, losses };
  }

  /** The same run of the program. */
  async native(of) {
    const folder = join(this.folder, of.name);
    return measured(await native.run(knobs(of, folder, join(folder, "data"))));
  }
}

/** Of a run: milliseconds of a step, by the clock and computed, and of a batch's inference; and the losses. */
function measured({ record: { curve, final }, told }) {
  const steps = curve.slice(1).map((point, i) => 1e3 * (point.seconds - curve[i].seconds));
  return {
    clock: median(steps.slice(SKIPPED)),
    // Behind the last step it evaluates and measures.
    computed: perStep(told.filter(([step]) => step > SKIPPED && step < curve.length)),
    inference: final.inference.batch_32.compact_ms,
    losses: curve.map(({ loss }) => loss),
  };
}

/** All rounds of a case: what each way gave in every round that counts. */
async function inTurn(bench, of) {
  await bench.prepare(of);
  const ways = { ours: () => bench.ours(of) };
  for (const peer of of.peers) ways[peer.name] = () => bench.peer(peer, of);
  ways.native = () => bench.native(of);
  const given = {};
  for (let round = 0; round < WARM_UPS + ROUNDS; round++) {
    for (const [way, run] of Object.entries(ways)) (given[way] ??= []).push(await run());
  }
  await bench.close(of);
  for (const way of Object.keys(ways)) compare(way, given, of.peers.find(({ name }) => name === way)?.trains ?? true);
  return Object.fromEntries(Object.entries(given).map(([way, all]) => [way, all.slice(WARM_UPS)]));
}

/** That a way computes the same as ours, and learns. */
function compare(way, given, trains) {
  const [losses, [first]] = [given[way].flatMap(({ losses }) => losses), given.ours[0].losses];
  assert.ok(Math.abs(losses[0] - first) < 1e-4, `${way}: the first loss is ${losses[0]}, ours is ${first}`);
  // Weights are random and the rate is high: it may climb first.
  assert.ok(!trains || losses.at(-1) < Math.max(...losses), `${way}: the loss does not fall: ${losses.join(", ")}`);
  const [before, after] = [losses[0], losses.at(-1)].map((loss) => loss.toFixed(5));
  console.error(`  ${way}: loss ${before} before, ${after} after ${losses.length} passes`);
}

const column = (rounds, field) => rounds.map((round) => round[field] ?? null);
const spread = (all) => `${median(all).toFixed(1)} (${Math.min(...all).toFixed(1)}–${Math.max(...all).toFixed(1)})`;
/** Medians of both with their ranges, and how many times theirs ours takes; nothing of what is not known. */
function beside(ours, theirs) {
  if ([...ours, ...theirs].includes(null)) return ["", "", ""];
  return [spread(ours), spread(theirs), (median(ours) / median(theirs)).toFixed(2)];
}

/** The rows of a case. */
function rows(of, given) {
  const row = (what, says, way, fields) => {
    const columns = ([mine, theirs]) => beside(column(given.ours, mine), column(given[way], theirs));
    const [clock, computed] = fields.map(columns);
    return `| ${[`${of.says}: ${what}`, says, ...computed, ...clock].join(" | ")} |`;
  };
  const step = [["clock", "clock"], ["computed", "computed"]];
  const inference = [["inference", "clock"], ["inferenceComputed", "computed"]];
  const [trained, inferred] = [true, false].map((kind) => of.peers.filter(({ trains }) => trains === kind));
  return [
    ...trained.map(({ name, says }) => row("training step", says, name, step)),
    ...inferred.map(({ name, says }) => row("inference", says, name, inference)),
    row("training step", "ours, native", "native", step),
    row("inference", "ours, native", "native", [["inference", "inference"], ["none", "none"]]),
  ];
}

const folder = await mkdtemp(join(tmpdir(), "apt-peers-"));
const places = { models: folder, packages: join(process.env.APT_PEERS_NODE, "node_modules") };
const START = '<!doctype html><title>Benchmark</title><script type="module" src="page.mjs"></script>';
let server;
let browser;
try {
  await promisify(execFile)(process.env.APT_PEERS_PYTHON, [join(HERE, "models.py"), folder, JSON.stringify(chosen)]);
  const page = { "/peers/": { type: "text/html; charset=utf-8", body: START } };
  server = await serve(DIST, page, (request, response, path) => {
    const [, under, place, ...rest] = path.split("/");
    if (under !== "peers" || !place) return false;
    sendFile(response, places[place] ? join(places[place], ...rest) : join(HERE, place));
    return true;
  });
  browser = await launch();
  const bench = new Bench(await browser.newPage(), server.origin, folder);
  await bench.open(server.url);
  const [{ model }] = cpus();
  console.log(`${cpus().length} × ${model}, Chromium ${browser.version()}, one thread each, ${ROUNDS} rounds\n`);
  const times = ["processor time: ours in the tab", "theirs", "ratio", "by the clock: ours", "theirs", "ratio"];
  console.log(`| ${["ms, median (range)", "beside", ...times].join(" | ")} |\n|${"---|".repeat(8)}`);
  for (const of of chosen) {
    const load = loadavg()[0].toFixed(1);
    const given = await inTurn(bench, of);
    console.error(`${of.says}: ${given.ours[0].device}; load ${load} before, ${loadavg()[0].toFixed(1)} after`);
    for (const row of rows(of, given)) console.log(row);
  }
} finally {
  await browser?.close();
  await server?.stop();
  await rm(folder, { recursive: true });
}
