// How much code a visitor loads, with either engine: raw, and as hosts send it.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { DIST } from "./paths.mjs";

const squeeze = promisify(brotliCompress);
const zip = promisify(gzip);
const CODE = /\.(wasm|js|css|html)$/;
const ENGINES = { cpu: /^apt-worker(_bg\.wasm|\.js)$/, gpu: /^apt-worker-gpu(_bg\.wasm|\.js)$/ };

/**
 * Sizes in bytes of every file of code, largest first; of all that a visitor loads who computes on the CPU, or on the GPU;
 * and of what one loads who first does the one and then the other.
 */
export async function sizes() {
  const names = (await readdir(DIST, { recursive: true })).filter((name) => CODE.test(name));
  const parts = await Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(DIST, name));
      const brotli = await squeeze(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } });
      return { name, raw: bytes.length, gzip: (await zip(bytes, { level: 9 })).length, brotli: brotli.length };
    }),
  );
  const without = (engine) => {
    const left = parts.filter(({ name }) => !engine?.test(name));
    const sum = (kind) => left.reduce((total, part) => total + part[kind], 0);
    return { raw: sum("raw"), gzip: sum("gzip"), brotli: sum("brotli") };
  };
  return {
    parts: parts.toSorted((a, b) => b.raw - a.raw),
    cpu: without(ENGINES.gpu),
    gpu: without(ENGINES.cpu),
    all: without(),
  };
}
