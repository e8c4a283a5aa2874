// Numbers that may not grow by more than 5 % unnoticed. They depend on no machine's speed.

import { readFile, writeFile } from "node:fs/promises";

const FILE = new URL("../baseline.json", import.meta.url);
const ALLOWED = 1.05;

/** What has grown too much since the baseline; with `APT_BASELINE=write` the numbers become the baseline. */
export async function growth(group, numbers) {
  const baseline = JSON.parse(await readFile(FILE, "utf8").catch(() => "{}"));
  if (process.env.APT_BASELINE === "write") {
    baseline[group] = numbers;
    await writeFile(FILE, `${JSON.stringify(baseline, null, 2)}\n`);
    return [];
  }
  const known = baseline[group];
  if (!known) return [`baseline.json says nothing of ${group}: APT_BASELINE=write writes it`];
  return Object.entries(numbers)
    .filter(([name, value]) => value > (known[name] ?? 0) * ALLOWED)
    .map(([name, value]) => `${group}: ${name} was ${known[name]} and is ${value}`);
}
