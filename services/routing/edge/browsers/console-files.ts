/** Owns serving the page for operators: the files of services/console as they were built, under /console/. */
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { HttpRequest, HttpResponse } from "#platform/http/listener.ts";

/** Answers what asks for the page or one of its files; false where it is not for here. */
export type ConsoleFiles = (request: HttpRequest, response: HttpResponse) => boolean;

interface ConsoleFile {
  readonly plain: Buffer;
  readonly gzipped: Buffer;
}

type FilesByName = ReadonlyMap<string, ConsoleFile>;

const home = "/console/";
const contentTypes: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};
// The page loads from its own origin and talks to it alone, nothing of it stands inline, and no other page can show it in a frame.
const securityHeaders = {
  "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};
const notBuilt = "The console is not built here. Run `npm ci && npm run build:console` in the checkout of Weir, and load this page again.\n";

/** `directory` has what `npm run build:console` wrote; it is read when the page is first asked for, and kept. */
export function createConsoleFiles(directory: string): ConsoleFiles {
  let files: Promise<FilesByName | undefined> | undefined;
  const read = async (): Promise<FilesByName | undefined> => {
    // While it is built anew, files come and go.
    files ??= readFiles(directory).catch(() => undefined);
    const found = await files;
    // What is built later is found without a restart.
    if (found === undefined) files = undefined;
    return found;
  };
  return (request, response) => {
    const { method, headers, url = "/" } = request;
    if (method !== "GET" && method !== "HEAD") return false;
    const path = url.split("?", 1)[0]!;
    const isPage = path.startsWith(home);
    const isNear = path === "/console" || (path === "/" && String(headers.accept).includes("text/html"));
    if (!isPage && !isNear) return false;
    if (isPage) void read().then((found) => answer(path.slice(home.length), found, request, response));
    else response.writeHead(302, { location: home }).end();
    return true;
  };
}

/** Paths that are no file are the page's own: it reads them itself. */
function answer(name: string, files: FilesByName | undefined, { method, headers }: HttpRequest, response: HttpResponse): void {
  const isAsset = files?.has(name) === true && name !== "index.html";
  const file = files?.get(isAsset ? name : "index.html");
  if (file === undefined) return void response.writeHead(503, { ...securityHeaders, "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" }).end(notBuilt);
  const isGzipped = String(headers["accept-encoding"]).includes("gzip");
  const body = isGzipped ? file.gzipped : file.plain;
  response.writeHead(200, {
    ...securityHeaders,
    "content-type": contentTypes[isAsset ? extname(name) : ".html"] ?? "application/octet-stream",
    "content-length": body.length,
    ...(isGzipped ? { "content-encoding": "gzip" } : {}),
    vary: "accept-encoding, origin",
    // The names of assets have a hash of what is in them.
    "cache-control": isAsset ? "public, max-age=31536000, immutable" : "no-store",
  });
  response.end(method === "HEAD" ? undefined : body);
}

/** Undefined where the page is not built. */
async function readFiles(directory: string): Promise<FilesByName | undefined> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = names.filter((entry) => entry.isFile()).map(async ({ parentPath, name }): Promise<[string, ConsoleFile]> => {
    const path = join(parentPath, name);
    const plain = await readFile(path);
    return [path.slice(join(directory, "/").length), { plain, gzipped: await promisify(gzip)(plain) }];
  });
  const read = new Map(await Promise.all(files));
  return read.has("index.html") ? read : undefined;
}
