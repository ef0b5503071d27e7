import * as http from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { build, type Rolldown } from "vite";
import { findChromium, launchChromium } from "../harness/browser.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { routes, said, startUpstreams, type Upstreams } from "../harness/upstreams.ts";
import type { PageReport } from "./connect-web-page.ts";

const chromium = findChromium();
if (chromium === undefined) {
  if (process.env["CI"] === "true") throw new Error("The tests of web clients need a browser: install chromium.");
  console.warn("Connect-Web in a browser NOT RUN: install chromium.");
}

describe.skipIf(chromium === undefined)("a web client in a browser", () => {
  let upstreams: Upstreams;
  let weir: Weir;
  let site: http.Server;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    const script = await bundle();
    site = http.createServer((request, response) => {
      const isScript = request.url === "/page.js";
      response.writeHead(200, { "content-type": isScript ? "text/javascript" : "text/html" });
      response.end(isScript ? script : '<!doctype html><title>web client</title><script type="module" src="/page.js"></script>');
    });
    await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
    const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    upstreams = await startUpstreams(`cors: { allowed_origins: ["${origin}"] }`);
    weir = await startWeir({ config: upstreams.config });
    browser = await launchChromium(chromium!);
    page = await browser.newPage();
    await page.goto(origin, { waitUntil: "networkidle" });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await weir?.stop();
    await upstreams?.stop();
    site?.close();
  });

  describe.each(["connect", "grpc-web"] as const)("over %s", (protocol) => {
    test.each(routes)("asks, streams and understands errors, %s", async (model) => {
      const words = [protocol, weir.origin, weir.inferenceKey, model, said.question];
      const report = await page.evaluate((all) => (globalThis as unknown as { ask: (...rest: string[]) => Promise<PageReport> }).ask(...all), words);
      expect(report).toMatchObject({ whole: said.answer, streamed: said.answer });
      expect(report.streamMessages).toBeGreaterThan(3);
      expect(report.error).toContain("nobody");
    });
  });

  test("a page of another origin is kept out by the browser", async () => {
    const stranger = await browser.newPage();
    await stranger.goto("data:text/html,<title>stranger</title>");
    const outcome = await stranger.evaluate((url) => fetch(url, { headers: { authorization: "Bearer x" } }).then(() => "reached", () => "refused"), `${weir.origin}/v1/models`);
    expect(outcome).toBe("refused");
  });
});

async function bundle(): Promise<string> {
  const entry = new URL("connect-web-page.ts", import.meta.url).pathname;
  const output = (await build({ configFile: false, logLevel: "error", build: { write: false, lib: { entry, formats: ["es"], fileName: "page" } } })) as Rolldown.RolldownOutput[];
  return output[0]!.output[0].code;
}
