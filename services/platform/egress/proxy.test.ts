import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { create } from "@bufbuild/protobuf";
import { expect, onTestFinished, test } from "vitest";
import { ProxySchema, type Proxy } from "#gen/weir/config/v1/proxy_pb.ts";
import { leadTo, refuseWith, startForwardProxy, type ForwardProxy, type TunnelAnswer } from "../../../test/harness/forward-proxy.ts";
import { createAuthority, issueCertificate } from "../peers/testing/certificates.ts";
import { MutableLiveValue } from "../views/live-value.ts";
import { exchangeTrusting, exchangeWithPublicHost } from "./egress-exchange.ts";
import { openEgressPool } from "./egress-pool.ts";
import { followProxy, isReachedDirectly } from "./proxy.ts";

const never = new AbortController().signal;

async function listen(server: Server): Promise<number> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function startProxy(answer: TunnelAnswer): Promise<ForwardProxy> {
  const proxy = await startForwardProxy(answer);
  onTestFinished(() => proxy.stop());
  return proxy;
}

function useProxy(url: string, direct: readonly string[] = []): MutableLiveValue<Proxy | undefined> {
  const configured = new MutableLiveValue<Proxy | undefined>(create(ProxySchema, { url, direct: [...direct] }));
  onTestFinished(followProxy(configured));
  return configured;
}

test.each([
  ["127.0.0.1", true],
  ["[::1]", true],
  ["10.1.2.3", true],
  ["[fd00::7]", true],
  ["1.1.1.1", false],
  ["[2606:4700::1111]", false],
  ["8.8.8.8", true],
  ["localhost", true],
  ["ollama", true],
  ["corp.example", true],
  ["models.corp.example", true],
  ["notcorp.example", false],
  ["api.openai.com", false],
])("%s is reached directly: %s", (host, isDirect) => {
  expect(isReachedDirectly(host, ["corp.example", "8.8.8.8"])).toBe(isDirect);
});

test("a name that this network does not know is reached through the proxy, with the credentials of its address", async () => {
  const vendor = createServer((request, response) => void response.end(`${request.headers.host} ${request.url}`));
  const proxy = await startProxy(leadTo(await listen(vendor)));
  const configured = useProxy(`http://us%40er:p%3Aw@127.0.0.1:${proxy.port}`);
  const ask = async (url: string) => (await exchangeWithPublicHost({ method: "GET", url, headers: {} }, never)).body.toString();

  expect(await ask("http://vendor.invalid/a")).toBe("vendor.invalid /a");
  expect(await ask("http://vendor.invalid:8080/b")).toBe("vendor.invalid:8080 /b");
  const authorization = `Basic ${Buffer.from("us@er:p:w").toString("base64")}`;
  expect(proxy.asked).toEqual([80, 8080].map((port) => ({ authority: `vendor.invalid:${port}`, authorization })));

  configured.set(undefined);
  await expect(ask("http://other.invalid/")).rejects.toMatchObject({ code: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) });
});

test("TLS goes through the tunnel to the host itself, whose certificate is judged", async () => {
  const authority = createAuthority("vendors");
  const { certificatePem, keyPem } = issueCertificate(authority, ["vendor.invalid"]);
  const vendor = createTlsServer({ cert: certificatePem, key: keyPem }, (_request, response) => void response.end("by TLS"));
  const proxy = await startProxy(leadTo(await listen(vendor)));
  useProxy(`http://127.0.0.1:${proxy.port}`);
  const ask = (url: string) => exchangeTrusting(authority.certificatePem)({ method: "GET", url, headers: {} }, never);

  expect((await ask("https://vendor.invalid/")).body.toString()).toBe("by TLS");
  expect(proxy.asked).toEqual([{ authority: "vendor.invalid:443", authorization: undefined }]);
  await expect(ask("https://another.invalid/")).rejects.toMatchObject({ code: "ERR_TLS_CERT_ALTNAME_INVALID" });
});

const silence: TunnelAnswer = () => {};
test.each([
  ["that wants credentials", refuseWith(407), /answered 407 .*vendor.invalid:80; it wants other credentials: give user and password in proxy.url/],
  ["that does not lead there", refuseWith(403), /answered 403 .*vendor.invalid:80; let it lead there, or name the host in proxy.direct/],
  ["that hangs up", (_asked, caller) => void caller.destroy(), /gave no tunnel to vendor.invalid:80: socket hang up/],
  ["that is silent", silence, /gave no tunnel to vendor.invalid:80: no answer within 300 ms/],
] satisfies [string, TunnelAnswer, RegExp][])("of a proxy %s the failure names it, and not a byte of the request has left", async (_which, answer, words) => {
  const proxy = await startProxy(answer);
  useProxy(`http://secret:secret@127.0.0.1:${proxy.port}`);
  const pool = openEgressPool({ origin: "http://vendor.invalid", allowPrivateAddresses: false, connectTimeoutMs: 300, maximumConnections: 1 });
  onTestFinished(() => pool.destroy());
  let hasStarted = false;
  const error = await new Promise<Error>((resolve) => {
    const ignore = (): void => {};
    pool.dispatch(
      { method: "POST", path: "/", headers: [], body: Buffer.from("{}"), headersTimeout: 1_000, bodyTimeout: 1_000 },
      { onRequestStart: () => (hasStarted = true), onResponseStart: ignore, onResponseData: ignore, onResponseEnd: ignore, onResponseError: (_controller, failure) => resolve(failure) },
    );
  });
  expect(error).toMatchObject({ code: "PROXY_REFUSED", message: expect.stringMatching(words) });
  expect(error.message).not.toContain("secret");
  expect(hasStarted).toBe(false);
});
