// transformers.js in a page of its own, with everything it needs beside it: the library at the version that `tests/readers`
// pins, ONNX Runtime's WebAssembly, and the model's files.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { serve } from "./server.mjs";

const TOOLS = process.env.APT_TOOLS_DIR ?? join(homedir(), ".cache/apt-lab/tools");
const MODULES = join(process.env.APT_READERS_NODE ?? join(TOOLS, "readers-node"), "node_modules");

/** Why it cannot be used; `false` if it can. Where `cargo xtask readers` has run it is there. */
export const missing =
  !process.env.APT_READERS_NODE && !existsSync(MODULES) && "transformers.js is not installed: cargo xtask readers does it";

/**
 * What `pipeline('text-classification')` of the model in `files` (bytes by name) answers to `text`: labels and scores. The
 * page is a new one of the visitor `visit`; its addresses are a server's of its own.
 */
export async function classify(visit, files, text, dtype) {
  const folders = { "/library/": "@huggingface/transformers/dist", "/runtime/": "onnxruntime-web/dist" };
  const asked = async (path) => {
    if (path === "/") return "<!doctype html><title>transformers.js</title>";
    if (path.startsWith("/models/lab/")) return files.get(path.slice("/models/lab/".length));
    const below = Object.keys(folders).find((below) => path.startsWith(below));
    return below && readFile(join(MODULES, folders[below], basename(path))).catch(() => undefined);
  };
  const types = { js: "text/javascript", mjs: "text/javascript", json: "application/json", wasm: "application/wasm" };
  const server = await serve("/", {}, (request, response, path) => {
    void asked(path).then((body) => {
      const type = path === "/" ? "text/html" : types[path.split(".").at(-1)];
      response.writeHead(body === undefined ? 404 : 200, { "content-type": type ?? "application/octet-stream" }).end(body);
    });
    return true;
  });
  const page = await visit.newPage();
  const outside = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(server.origin) && !/^(data|blob):/.test(request.url())) outside.push(request.url());
  });
  try {
    await page.goto(server.origin);
    const answer = await page.evaluate(
      async ([text, dtype]) => {
        const { env, pipeline } = await import("/library/transformers.min.js");
        Object.assign(env, { allowRemoteModels: false, allowLocalModels: true, localModelPath: "/models/", useBrowserCache: false });
        Object.assign(env.backends.onnx.wasm, { wasmPaths: "/runtime/", numThreads: 1 });
        const classify = await pipeline("text-classification", "lab", { dtype, device: "wasm" });
        return classify(text, { top_k: null });
      },
      [text, dtype],
    );
    return { answer, outside };
  } finally {
    await page.close();
    await server.stop();
  }
}
