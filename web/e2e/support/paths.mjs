// Where things are; `cargo xtask test` says so, and there are defaults for running a test by hand.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import assert from "node:assert/strict";

const root = fileURLToPath(new URL("../../../", import.meta.url));

export const E2E = fileURLToPath(new URL("../", import.meta.url));
export const DIST = process.env.APT_DIST ?? `${root}dist`;
export const PROGRAM = process.env.APT_LAB_BIN ?? `${process.env.CARGO_TARGET_DIR ?? `${root}target`}/release/apt-lab`;

assert.ok(existsSync(`${DIST}/index.html`), `${DIST} holds no lab: cargo xtask web builds it`);
