// A stand-in for the hub behind the lab's own host: one model at one commit, known by an old name too, its large file behind
// a redirect, ranges, and the faults that networks and hubs have. It notes what it is asked for.

import { createHash } from "node:crypto";

/** The path at which it answers. */
export const MIRROR = "/mirror";
/** The commit of its model. */
export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

const isLarge = (name) => name.endsWith(".safetensors");

function digest(name, body) {
  const hash = createHash(isLarge(name) ? "sha256" : "sha1");
  if (!isLarge(name)) hash.update(`blob ${body.length}\0`);
  return hash.update(body).digest("hex");
}

export class StandIn {
  /** Its model `org/tiny`, also called `org/old`, has these files: `[{ name, body }]`. */
  constructor(files) {
    this.files = new Map(files.map(({ name, body }) => [name, Buffer.from(body)]));
    /**
     * How it behaves; well, unless: `isDown` (nobody answers), `cutAfter` (the next body breaks after so many bytes), `adds`
     * (so many bytes more than announced), `lacks` (so many less), `isCorrupt`, `refuses` (`[status, code]`), `isGated`,
     * `pause` (milliseconds before every 64 kB).
     */
    this.behaviour = {};
    /** `{ path, range }` of every request. */
    this.requests = [];
    /** Bytes sent of a file, all requests together. */
    this.sent = new Map();
    this.answers = this.answers.bind(this);
  }

  /** The files that were asked for. */
  asked() {
    const paths = this.requests.map(({ path }) => path).filter((path) => path.includes("/resolve/"));
    return [...new Set(paths.map((path) => path.split("/").at(-1)))];
  }

  /** The byte from which a file was asked for again. */
  resumed() {
    const range = this.requests.findLast(({ range }) => range)?.range ?? "";
    return Number(/^bytes=(\d+)-$/.exec(range)?.[1] ?? 0);
  }

  /** Answers a request below its path; `false` to others. */
  answers(request, response, path) {
    if (!path.startsWith(`${MIRROR}/`)) return false;
    const { behaviour } = this;
    if (behaviour.isDown) {
      request.socket.destroy();
      return true;
    }
    this.requests.push({ path, range: request.headers.range });
    const refuse = (status, code) => void response.writeHead(status, { "x-error-code": code }).end("{}");
    if (behaviour.refuses) refuse(...behaviour.refuses);
    else if (path.includes("/org/old")) {
      const to = request.url.replace("/org/old", "/org/tiny");
      response.writeHead(307, { location: to }).end();
    } else if (path.startsWith(`${MIRROR}/api/models/org/tiny/revision/`)) {
      const revision = path.split("/").at(-1);
      if (["main", COMMIT].includes(revision)) this.#list(response);
      else refuse(404, "RevisionNotFound");
    } else {
      const name = path.split("/").at(-1);
      const isNear = path.startsWith(`${MIRROR}/org/tiny/resolve/${COMMIT}/`);
      if (!this.files.has(name) || !(isNear || path.startsWith(`${MIRROR}/far/`))) {
        refuse(404, path.includes("/org/tiny/") ? "EntryNotFound" : "RepoNotFound");
      } else if (isNear && isLarge(name)) response.writeHead(302, { location: `${MIRROR}/far/${name}` }).end();
      else void this.#send(request, response, name);
    }
    return true;
  }

  #list(response) {
    const siblings = [...this.files].map(([rfilename, body]) => {
      const known = digest(rfilename, body);
      return isLarge(rfilename)
        ? { rfilename, size: body.length, blobId: "pointer", lfs: { sha256: known, size: body.length, pointerSize: 134 } }
        : { rfilename, size: body.length, blobId: known };
    });
    const answer = { id: "org/tiny", sha: COMMIT, gated: this.behaviour.isGated ? "manual" : false, siblings };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  }

  async #send(request, response, name) {
    const { behaviour } = this;
    let body = this.files.get(name);
    if (isLarge(name) && behaviour.adds) body = Buffer.concat([body, Buffer.alloc(behaviour.adds, "+")]);
    if (isLarge(name) && behaviour.lacks) body = body.subarray(0, body.length - behaviour.lacks);
    if (behaviour.isCorrupt) body = Buffer.from(body).map((byte) => byte ^ 1);
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    if (from > 0 && from >= body.length) return void response.writeHead(416).end();
    const range = from > 0 ? { "content-range": `bytes ${from}-${body.length - 1}/${body.length}` } : {};
    response.writeHead(from > 0 ? 206 : 200, { "content-length": body.length - from, ...range });
    let rest = body.subarray(from);
    const cut = isLarge(name) ? behaviour.cutAfter : undefined;
    if (cut !== undefined) {
      delete behaviour.cutAfter;
      rest = rest.subarray(0, cut);
    }
    for (let at = 0; at < rest.length; at += 1 << 16) {
      if (behaviour.pause && isLarge(name)) await new Promise((resolve) => setTimeout(resolve, behaviour.pause));
      const part = rest.subarray(at, at + (1 << 16));
      this.sent.set(name, (this.sent.get(name) ?? 0) + part.length);
      await new Promise((resolve) => response.write(part, resolve));
      if (response.destroyed) return;
    }
    if (cut === undefined) return void response.end();
    // What has come is read before the connection breaks.
    setTimeout(() => response.destroy(), 300);
  }
}
