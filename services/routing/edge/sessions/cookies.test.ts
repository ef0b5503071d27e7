import type { HttpRequest } from "#platform/listener.ts";
import { describe, expect, test } from "vitest";
import { isForeign, sessionOf } from "./cookies.ts";

const secret = `weirs_${"a".repeat(43)}`;

function requestWith(headers: HttpRequest["headers"], socket: object = {}): HttpRequest {
  return { headers, socket } as unknown as HttpRequest;
}

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
    expect(isForeign(requestWith(headers), "https://console.example.com")).toBe(expected);
  });
});

describe("a session is read from", () => {
  test.each<[string, string, object, string | undefined, string | undefined]>([
    ["its cookie among others", `a=b; weir-session=${secret}; c=d`, {}, undefined, secret],
    ["no other cookie that ends like it", `x-weir-session=${secret}`, {}, undefined, undefined],
    ["nothing that has another form", "weir-session=weirs_short", {}, undefined, undefined],
    ["the prefixed cookie alone over TLS", `weir-session=${secret}`, { encrypted: true }, undefined, undefined],
    ["the prefixed cookie over TLS", `__Host-weir-session=${secret}`, { encrypted: true }, undefined, secret],
    ["the prefixed cookie where TLS ends before Weir", `__Host-weir-session=${secret}`, {}, "https://weir.example.com", secret],
  ])("%s", (_, cookie, socket, origin, expected) => {
    expect(sessionOf(requestWith({ cookie, host: "weir" }, socket), origin)?.sessionSecret).toBe(expected);
  });
});
