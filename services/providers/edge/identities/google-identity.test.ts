/** Owns the proof that tokens are asked of Google as Google documents it, through our egress alone. */
import { createVerify, generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GoogleIdentitySchema } from "#gen/weir/config/v1/provider_pb.ts";
import type { ExchangeReply, ExchangeRequest } from "#platform/egress/egress-exchange.ts";
import { AccessToken } from "../../domain/credentials/credential-source.ts";
import { obtainGoogleToken } from "./google-identity.ts";

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048, publicKeyEncoding: { type: "spki", format: "pem" }, privateKeyEncoding: { type: "pkcs8", format: "pem" } });
const serviceAccount = { type: "service_account", project_id: "river", private_key_id: "k1", private_key: privateKey, client_email: "weir@river.iam.gserviceaccount.com", token_uri: "https://oauth2.googleapis.com/token" };

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "weir-google-"));
});
afterAll(() => rm(directory, { recursive: true }));

/** What the token endpoint was asked, and the token that came of its answer. */
async function obtain(settings: MessageInitShape<typeof GoogleIdentitySchema>, reply: Partial<ExchangeReply> & { readonly json: unknown }) {
  const requests: ExchangeRequest[] = [];
  const exchange = (request: ExchangeRequest): Promise<ExchangeReply> => {
    requests.push(request);
    return Promise.resolve({ status: 200, headers: { "content-type": "application/json" }, body: Buffer.from(JSON.stringify(reply.json)), ...reply });
  };
  const startMs = Date.now();
  const outcome = await obtainGoogleToken(create(GoogleIdentitySchema, settings), exchange, startMs, new AbortController().signal).catch((error: unknown) => error as Error);
  return { requests, outcome, startMs };
}

const token = { access_token: "ya29.token", expires_in: 3600, token_type: "Bearer" };

/** The claims of an assertion, as Google would check it: https://developers.google.com/identity/protocols/oauth2/service-account */
function verifiedClaims(assertion: string): Record<string, unknown> {
  const [header, claims, signature] = assertion.split(".");
  expect(JSON.parse(Buffer.from(header!, "base64url").toString())).toMatchObject({ alg: "RS256" });
  expect(createVerify("RSA-SHA256").update(`${header}.${claims}`).verify(publicKey, signature!, "base64url")).toBe(true);
  return JSON.parse(Buffer.from(claims!, "base64url").toString()) as Record<string, unknown>;
}

describe("a service account", () => {
  it.each(["inline", "in a file"])("(%s) signs an assertion, for which Google gives a token with its end", async (place) => {
    const json = JSON.stringify(serviceAccount);
    const credentialsFile = join(directory, "key.json");
    await writeFile(credentialsFile, json);
    const { requests, outcome, startMs } = await obtain(place === "inline" ? { credentials: json } : { credentialsFile }, { json: token });
    expect(requests).toHaveLength(1);
    expect(requests[0]).toMatchObject({ method: "POST", url: "https://oauth2.googleapis.com/token", headers: { "content-type": expect.stringContaining("application/x-www-form-urlencoded") } });
    const form = new URLSearchParams(String(requests[0]!.body));
    expect(form.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
    const claims = verifiedClaims(form.get("assertion")!);
    expect(claims).toMatchObject({ iss: serviceAccount.client_email, scope: "https://www.googleapis.com/auth/cloud-platform", aud: "https://oauth2.googleapis.com/token" });
    expect(Number(claims["exp"]) - Number(claims["iat"])).toBe(3600);
    if (outcome instanceof Error) throw outcome;
    expect(outcome.credential).toBeInstanceOf(AccessToken);
    expect(outcome.credential.reveal()).toBe("ya29.token");
    expect(outcome.expiresAtMs).toBeGreaterThanOrEqual(startMs + 3_590_000);
  });

  it("whose assertion is refused fails with Google's word, asked once, and without the key or the assertion", async () => {
    const { requests, outcome } = await obtain({ credentials: JSON.stringify(serviceAccount) }, { status: 400, json: { error: "invalid_grant", error_description: "Invalid JWT Signature." } });
    expect(requests).toHaveLength(1);
    expect((outcome as Error).message).toContain("invalid_grant");
    expect((outcome as Error).message).not.toMatch(/PRIVATE KEY|eyJ/);
  });
});

it("a workload identity exchanges the platform's token, read anew, at Google's token service", async () => {
  const file = join(directory, "subject-token");
  const credentials = JSON.stringify({
    type: "external_account",
    audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/kubernetes",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    token_url: "https://sts.googleapis.com/v1/token",
    credential_source: { file },
  });
  for (const subject of ["first", "second"]) {
    await writeFile(file, subject);
    const { requests, outcome } = await obtain({ credentials }, { json: { ...token, issued_token_type: "urn:ietf:params:oauth:token-type:access_token" } });
    if (outcome instanceof Error) throw outcome;
    expect(requests.map(({ url }) => url)).toEqual(["https://sts.googleapis.com/v1/token"]);
    expect(Object.fromEntries(new URLSearchParams(String(requests[0]!.body)))).toMatchObject({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token: subject,
      scope: "https://www.googleapis.com/auth/cloud-platform",
    });
    expect(outcome.credential.reveal()).toBe("ya29.token");
  }
});

describe("credentials that are none", () => {
  it.each(["secret-canary", '{"private_key":"secret-canary"', '"secret-canary"', '{"private_key":"secret-canary"}'])("fail without being quoted or sent: %j", async (credentials) => {
    const { requests, outcome } = await obtain({ credentials }, { json: token });
    expect((outcome as Error).message).toMatch(/^the credentials are/);
    expect((outcome as Error).message).not.toContain("canary");
    expect(requests).toEqual([]);
  });

  it("are not made up for by those of the machine when the file is empty", async () => {
    const credentialsFile = join(directory, "empty.json");
    await writeFile(credentialsFile, "");
    expect((await obtain({ credentialsFile }, { json: token })).outcome).toMatchObject({ message: expect.stringMatching(/^the credentials are/) });
  });

  it("fail where the file is not there", async () => {
    const { outcome } = await obtain({ credentialsFile: join(directory, "absent") }, { json: token });
    expect((outcome as Error).message).toContain("ENOENT");
  });
});
