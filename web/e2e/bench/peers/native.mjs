// A run of the program on one thread, which tells of its steps as they are made.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { PROGRAM } from "../../support/paths.mjs";
import { processOf } from "./processor.mjs";

/** The record, and what the process had computed when it told of each step. */
export async function run(knobs) {
  const folder = await mkdtemp(join(tmpdir(), "apt-lab-"));
  try {
    const flags = Object.entries(knobs).map(([name, value]) => `--${name.replaceAll("_", "-")}=${value}`);
    const words = ["run", "--preset", "lora", "--json", "--out", join(folder, "run"), ...flags];
    const environment = { ...process.env, RAYON_NUM_THREADS: "1" };
    const program = spawn(PROGRAM, words, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    program.stderr.on("data", (text) => (said += text));
    const ended = new Promise((resolve, reject) => {
      program.on("error", reject);
      program.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`apt-lab ended with ${code}: ${said}`))));
    });
    const told = [];
    for await (const line of createInterface({ input: program.stdout })) {
      const { event, step } = JSON.parse(line);
      if (event === "step") told.push([step, processOf(program.pid)]);
    }
    await ended;
    return { record: JSON.parse(await readFile(join(folder, "run/record.json"), "utf8")), told };
  } finally {
    await rm(folder, { recursive: true });
  }
}
