import { describe, expect, test } from "vitest";
import type { HttpRequest } from "#platform/http/listener.ts";
import { isForeign } from "./foreign-page.ts";

describe("a page is foreign", () => {
  const host = "weir.example.com:8080";
  test.each<[string, HttpRequest["headers"], boolean]>([
    ["that is Weir's own", { host, origin: `http://${host}`, "sec-fetch-site": "same-origin" }, false],
    ["that is Weir's own, over HTTP/2", { ":authority": host, origin: `https://${host}` }, false],
    ["that a person opened", { host, "sec-fetch-site": "none" }, false],
    ["which is no page", { host }, false],
    ["of the console's origin, behind a proxy that changes the host", { host: "weir:8080", origin: "https://console.example.com" }, false],
    ["of another port", { host, origin: "http://weir.example.com" }, true],
    ["of another host", { host, origin: "http://evil.example.com:8080" }, true],
    ["that hides where it is from", { host, origin: "null" }, true],
    ["of another site", { host, "sec-fetch-site": "cross-site" }, true],
    ["of a sister host", { host, "sec-fetch-site": "same-site" }, true],
    ["of something that a later browser says", { host, "sec-fetch-site": "unheard-of" }, true],
  ])("%s", (_, headers, expected) => {
    expect(isForeign({ headers } as HttpRequest, "https://console.example.com")).toBe(expected);
  });
});
