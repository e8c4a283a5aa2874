// A static host as plain as they come: serves one folder under a sub-path and notes what it was asked for.

import { createServer } from "node:http";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".mjs": "text/javascript",
  ".safetensors": "application/octet-stream",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
};

/** The path below which the lab is served: two folders deep, as on a host shared with others. */
export const BASE = "/some/sub/path/";

/** Answers with a file, or that there is none. */
export async function sendFile(response, path) {
  const found = path && (await stat(path).catch(() => null));
  if (!found?.isFile()) {
    response.writeHead(404, { "content-type": "text/html" });
    response.end("<!doctype html><title>Not found</title>");
    return;
  }
  response.writeHead(200, {
    "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    "content-length": found.size,
    "cache-control": "no-cache",
    etag: `"${found.size}-${Math.round(found.mtimeMs)}"`,
  });
  createReadStream(path).pipe(response);
}

/** Serves `folder`; `files` are further files by path, as `{ type, body }`; `answers` may answer before either. */
export async function serve(folder, files = {}, answers = () => false) {
  const asked = [];
  const more = { ...files };
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://host").pathname);
    asked.push(path);
    if (answers(request, response, path)) return;
    const extra = more[path];
    if (extra) {
      response.writeHead(200, { "content-type": extra.type, "access-control-allow-origin": "*", "cache-control": "no-store" });
      response.end(extra.body);
      return;
    }
    const file = path.startsWith(BASE) ? join(folder, normalize(`/${path.slice(BASE.length)}`)) : null;
    const named = file && path.endsWith("/") ? join(file, "index.html") : file;
    await sendFile(response, named);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return {
    origin,
    url: origin + BASE,
    asked,
    /** From now on the file at this path below the lab's is this. */
    put(path, type, body) {
      more[BASE + path] = { type, body };
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
