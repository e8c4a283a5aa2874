// How much code a visitor loads: raw, and as hosts send it.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { DIST } from "./paths.mjs";

const squeeze = promisify(brotliCompress);
const zip = promisify(gzip);
const CODE = /\.(wasm|js|css|html)$/;

/** Sizes in bytes of every file of code, largest first, and of all of them. */
export async function sizes() {
  const names = (await readdir(DIST, { recursive: true })).filter((name) => CODE.test(name));
  const parts = await Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(DIST, name));
      const brotli = await squeeze(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } });
      return { name, raw: bytes.length, gzip: (await zip(bytes, { level: 9 })).length, brotli: brotli.length };
    }),
  );
  const sum = (name) => parts.reduce((total, part) => total + part[name], 0);
  return {
    parts: parts.toSorted((a, b) => b.raw - a.raw),
    total: { raw: sum("raw"), gzip: sum("gzip"), brotli: sum("brotli") },
  };
}
