/** Owns the proof that tokens are asked of Microsoft Entra in the form that it documents. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EntraIdentitySchema } from "#gen/weir/config/v1/provider_pb.ts";
import type { ExchangeReply, ExchangeRequest } from "#platform/egress/egress-exchange.ts";
import { AccessToken } from "../../domain/credentials/credential-source.ts";
import { obtainEntraToken } from "./entra-identity.ts";

const application = { tenantId: "11111111-2222-3333-4444-555555555555", clientId: "66666666-7777-8888-9999-000000000000" };
const nowMs = 1_000_000;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "weir-entra-"));
});
afterAll(() => rm(directory, { recursive: true }));

/** What Entra was asked, and what came of its answer. */
async function obtain(settings: MessageInitShape<typeof EntraIdentitySchema>, body: string, status = 200) {
  const requests: ExchangeRequest[] = [];
  const exchange = (request: ExchangeRequest): Promise<ExchangeReply> => {
    requests.push(request);
    return Promise.resolve({ status, headers: {}, body: Buffer.from(body) });
  };
  const outcome = await obtainEntraToken(create(EntraIdentitySchema, { ...application, ...settings }), exchange, nowMs, new AbortController().signal).catch((error: unknown) => error as Error);
  return { request: requests[0]!, form: Object.fromEntries(new URLSearchParams(String(requests[0]?.body))), outcome };
}

const token = JSON.stringify({ token_type: "Bearer", expires_in: 3599, ext_expires_in: 3599, access_token: "eyJ0.token" });

describe("an application", () => {
  it("proves itself by its secret", async () => {
    const { request, form, outcome } = await obtain({ clientSecret: "s&cret" }, token);
    expect(request).toMatchObject({ method: "POST", url: `https://login.microsoftonline.com/${application.tenantId}/oauth2/v2.0/token`, headers: { "content-type": "application/x-www-form-urlencoded" } });
    expect(form).toEqual({ grant_type: "client_credentials", client_id: application.clientId, client_secret: "s&cret", scope: "https://cognitiveservices.azure.com/.default" });
    if (outcome instanceof Error) throw outcome;
    expect(outcome.credential).toBeInstanceOf(AccessToken);
    expect(outcome.credential.reveal()).toBe("eyJ0.token");
    expect(outcome.expiresAtMs).toBe(nowMs + 3_599_000);
  });

  it("proves itself by a token that it trusts, read anew", async () => {
    const federatedTokenFile = join(directory, "token");
    for (const assertion of ["eyJ1", "eyJ2"]) {
      await writeFile(federatedTokenFile, `${assertion}\n`);
      const { form } = await obtain({ federatedTokenFile }, token);
      expect(form).toMatchObject({ client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", client_assertion: assertion });
      expect(form).not.toHaveProperty("client_secret");
    }
  });

  it("of a national cloud asks there", async () => {
    const { request, form } = await obtain({ clientSecret: "s", authority: "https://login.microsoftonline.us/", scope: "https://cognitiveservices.azure.us/.default" }, token);
    expect(request.url).toBe(`https://login.microsoftonline.us/${application.tenantId}/oauth2/v2.0/token`);
    expect(form["scope"]).toBe("https://cognitiveservices.azure.us/.default");
  });
});

describe("what is no token", () => {
  it.each([
    ["an error", 401, JSON.stringify({ error: "invalid_client", error_description: "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1" }), "the status 401: AADSTS7000215: Invalid client secret provided."],
    ["an error in no known form", 503, "<html>", "the status 503: no reason was given"],
    ["a reply without a token", 200, "{}", "the status 200: no reason was given"],
    ["a token without an end", 200, '{"access_token":"eyJ0"}', "the status 200: no reason was given"],
  ])("is %s", async (_, status, body, words) => {
    const { outcome } = await obtain({ clientSecret: "secret-canary" }, body, status);
    expect((outcome as Error).message).toBe(`Entra gave no token but ${words}`);
  });
});
