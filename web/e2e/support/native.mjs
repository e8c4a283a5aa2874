// The desktop program, with which the browser must agree.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { PROGRAM } from "./paths.mjs";

const call = promisify(execFile);
const LARGE = { maxBuffer: 1 << 28 };

/** What `apt-lab` prints. */
export async function lab(...words) {
  return labIn(process.cwd(), ...words);
}

/** What `apt-lab` prints when it is started in this folder. */
export async function labIn(folder, ...words) {
  const { stdout } = await call(PROGRAM, words, { ...LARGE, cwd: folder });
  return stdout;
}

/** A run of the desktop program: its record, and its events. `threads` limits how many compute. */
export async function run(preset, knobs, threads) {
  const folder = await mkdtemp(join(tmpdir(), "apt-lab-"));
  try {
    const flags = Object.entries(knobs).map(([name, value]) => `--${name.replaceAll("_", "-")}=${value}`);
    const out = join(folder, "run");
    await call(PROGRAM, ["run", "--preset", preset, "--out", out, ...flags], {
      ...LARGE,
      env: { ...process.env, ...(threads ? { RAYON_NUM_THREADS: String(threads) } : {}) },
    });
    const record = await readFile(join(out, "record.json"), "utf8");
    const lines = await readFile(join(out, "events.jsonl"), "utf8");
    return { text: record, record: JSON.parse(record), events: lines.trim().split("\n").map((line) => JSON.parse(line)) };
  } finally {
    await rm(folder, { recursive: true });
  }
}
