import type { HttpRequest } from "#platform/http/listener.ts";
import { describe, expect, test } from "vitest";
import { sessionOf } from "./cookies.ts";

const secret = `weirs_${"a".repeat(43)}`;

function requestWith(headers: HttpRequest["headers"], socket: object = {}): HttpRequest {
  return { headers, socket } as unknown as HttpRequest;
}

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
