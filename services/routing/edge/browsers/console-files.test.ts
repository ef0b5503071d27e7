import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createConsoleFiles } from "./console-files.ts";

let directory: string;
let server: http.Server;
let origin: string;

const get = (path: string, init: RequestInit = {}): Promise<Response> => fetch(`${origin}${path}`, { redirect: "manual", ...init });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "weir-console-"));
  const answer = createConsoleFiles(join(directory, "dist"));
  server = http.createServer((request, response) => {
    if (!answer(request, response)) response.writeHead(418).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.close();
  await rm(directory, { recursive: true, force: true });
});

test("says what to run where the page is not built, and finds it once it is", async () => {
  const missing = await get("/console/");
  expect(missing.status).toBe(503);
  expect(await missing.text()).toContain("npm run build:console");
  await mkdir(join(directory, "dist", "assets"), { recursive: true });
  await writeFile(join(directory, "dist", "index.html"), "<title>page</title>");
  await writeFile(join(directory, "dist", "assets", "index-abc.js"), "script()");
  await writeFile(join(directory, "secret"), "not for you");
  expect((await get("/console/")).status).toBe(200);
});

test("gives the page for its own paths, never kept, and shut to other pages", async () => {
  for (const path of ["/console/", "/console/keys?period=7d", "/console/index.html", "/console/assets/no-such.js", "/console/assets/..%2f..%2f..%2fsecret"]) {
    const page = await get(path);
    expect(await page.text(), path).toBe("<title>page</title>");
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(page.headers.get("cache-control")).toBe("no-store");
    expect(page.headers.get("content-security-policy")).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    expect(page.headers.get("x-content-type-options")).toBe("nosniff");
    expect(page.headers.get("referrer-policy")).toBe("no-referrer");
  }
});

test("gives files with a hash in their name for good, compressed for who reads that", async () => {
  const plain = await get("/console/assets/index-abc.js", { headers: { "accept-encoding": "identity" } });
  expect(await plain.text()).toBe("script()");
  expect(plain.headers.get("content-encoding")).toBeNull();
  const script = await get("/console/assets/index-abc.js", { headers: { "accept-encoding": "gzip" } });
  expect(await script.text()).toBe("script()");
  expect(Object.fromEntries(script.headers)).toMatchObject({ "content-type": "text/javascript; charset=utf-8", "content-encoding": "gzip", "cache-control": "public, max-age=31536000, immutable" });
  expect(await (await get("/console/assets/index-abc.js", { method: "HEAD" })).text()).toBe("");
});

test("sends browsers from the root to the page, and leaves to others what is theirs", async () => {
  const fromRoot = await get("/", { headers: { accept: "text/html,*/*" } });
  expect([fromRoot.status, fromRoot.headers.get("location")]).toEqual([302, "/console/"]);
  expect((await get("/console")).headers.get("location")).toBe("/console/");
  expect((await get("/")).status).toBe(418);
  expect((await get("/v1/models", { headers: { accept: "text/html" } })).status).toBe(418);
  expect((await get("/console/session", { method: "POST" })).status).toBe(418);
});
