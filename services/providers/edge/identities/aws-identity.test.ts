/** Owns the proof that keys are found where AWS's own tools find them, and that its token service is asked through our egress. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { AwsIdentitySchema } from "#gen/weir/config/v1/provider_pb.ts";
import type { ExchangeReply, ExchangeRequest } from "#platform/egress/egress-exchange.ts";
import { expectedAuthorization, signedHeadersOf } from "../bedrock/aws-signature.fixture.ts";
import { obtainAwsKey } from "./aws-identity.ts";

const roleArn = "arn:aws:iam::123456789012:role/weir-bedrock";
const expiration = "2035-01-02T03:04:05Z";

let directory: string;
let server: Server | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "weir-aws-"));
  // Nothing of the machine that runs the tests; the library reads the environment itself.
  for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) vi.stubEnv(name, undefined);
  vi.stubEnv("AWS_CONFIG_FILE", join(directory, "config"));
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(directory, "credentials"));
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
  vi.stubEnv("AWS_REGION", "eu-central-1");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  server?.close();
  await rm(directory, { recursive: true });
});

/** AWS's token service, which gives `ASIA-ROLE` to whoever asks. */
async function obtain(settings: MessageInitShape<typeof AwsIdentitySchema>, status = 200) {
  const requests: ExchangeRequest[] = [];
  const exchange = (request: ExchangeRequest): Promise<ExchangeReply> => {
    requests.push(request);
    const action = new URLSearchParams(String(request.body)).get("Action");
    const credentials = `<Credentials><AccessKeyId>ASIA-ROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token</SessionToken><Expiration>${expiration}</Expiration></Credentials>`;
    const error = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>";
    const body = status === 200 ? `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${credentials}</${action}Result></${action}Response>` : error;
    return Promise.resolve({ status, headers: { "content-type": "text/xml" }, body: Buffer.from(body) });
  };
  const outcome = await obtainAwsKey(create(AwsIdentitySchema, settings), exchange, Date.now(), new AbortController().signal).catch((error: unknown) => error as Error);
  return { requests, outcome };
}

function keyOf(outcome: Awaited<ReturnType<typeof obtain>>["outcome"]): readonly [key: string, expiresAtMs: number] {
  if (outcome instanceof Error) throw outcome;
  return [outcome.credential.reveal(), outcome.expiresAtMs];
}

it("takes the environment's key, with its token", async () => {
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIA-ENV");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "env-secret");
  expect(keyOf((await obtain({})).outcome)).toEqual(["AKIA-ENV:env-secret", Infinity]);
  vi.stubEnv("AWS_SESSION_TOKEN", "env-token");
  expect(keyOf((await obtain({})).outcome)).toEqual(["AKIA-ENV:env-secret:env-token", Infinity]);
});

it("takes a profile of the shared files, read anew", async () => {
  for (const key of ["AKIA-1", "AKIA-2"]) {
    await writeFile(join(directory, "credentials"), `[river]\naws_access_key_id = ${key}\naws_secret_access_key = file-secret\n`);
    expect(keyOf((await obtain({ profile: "river" })).outcome)).toEqual([`${key}:file-secret`, Infinity]);
  }
});

it("takes a container's key, with the token that it wants", async () => {
  const seen: unknown[] = [];
  server = createServer((request, response) => {
    seen.push(request.url, request.headers.authorization);
    response.setHeader("content-type", "application/json").end(JSON.stringify({ AccessKeyId: "ASIA-ECS", SecretAccessKey: "ecs-secret", Token: "ecs-token", Expiration: expiration }));
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  vi.stubEnv("AWS_CONTAINER_CREDENTIALS_FULL_URI", `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/credentials`);
  vi.stubEnv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod-token");
  expect(keyOf((await obtain({})).outcome)).toEqual(["ASIA-ECS:ecs-secret:ecs-token", Date.parse(expiration)]);
  expect(seen).toEqual(["/v1/credentials", "pod-token"]);
});

it("takes the key of a machine's role, by a session with its metadata service", async () => {
  const seen: unknown[] = [];
  server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    const key = { Code: "Success", AccessKeyId: "ASIA-EC2", SecretAccessKey: "ec2-secret", Token: "ec2-token", Expiration: expiration };
    response.end(request.url === "/latest/api/token" ? "session" : request.headers["x-aws-ec2-metadata-token"] !== "session" ? "" : request.url!.endsWith("/weir-role") ? JSON.stringify(key) : "weir-role");
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", undefined);
  vi.stubEnv("AWS_EC2_METADATA_SERVICE_ENDPOINT", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  expect(keyOf((await obtain({})).outcome)).toEqual(["ASIA-EC2:ec2-secret:ec2-token", Date.parse(expiration)]);
  expect(seen[0]).toBe("PUT /latest/api/token");
});

it("exchanges a web identity's token", async () => {
  await writeFile(join(directory, "token"), "eyJ-web");
  vi.stubEnv("AWS_WEB_IDENTITY_TOKEN_FILE", join(directory, "token"));
  vi.stubEnv("AWS_ROLE_ARN", roleArn);
  const { requests, outcome } = await obtain({});
  expect(keyOf(outcome)).toEqual(["ASIA-ROLE:role-secret:role-token", Date.parse(expiration)]);
  expect(requests.map(({ url }) => url)).toEqual(["https://sts.eu-central-1.amazonaws.com/"]);
  expect(Object.fromEntries(new URLSearchParams(String(requests[0]!.body)))).toMatchObject({ Action: "AssumeRoleWithWebIdentity", RoleArn: roleArn, WebIdentityToken: "eyJ-web" });
});

it("assumes a role by what it found, in a request that is signed with it", async () => {
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIAENV");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "env-secret");
  const { requests, outcome } = await obtain({ roleArn, externalId: "river-7" });
  expect(keyOf(outcome)).toEqual(["ASIA-ROLE:role-secret:role-token", Date.parse(expiration)]);
  const { method, url, headers, body } = requests[0]!;
  expect(Object.fromEntries(new URLSearchParams(String(body)))).toMatchObject({ Action: "AssumeRole", RoleArn: roleArn, ExternalId: "river-7", RoleSessionName: "weir" });
  const signed = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const expected = expectedAuthorization({ method, path: new URL(url).pathname, headers: signed, body: Buffer.from(String(body)) }, "AKIAENV", "env-secret", "eu-central-1", "sts", signedHeadersOf(signed["authorization"]!));
  expect(signed["authorization"]).toBe(expected);
});

it("says what AWS says when a role is refused, asked once, and nothing of the key", async () => {
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIAENV");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "env-secret");
  const { requests, outcome } = await obtain({ roleArn }, 403);
  expect(requests).toHaveLength(1);
  expect((outcome as Error).message).toContain("not authorized");
  expect((outcome as Error).message).not.toContain("env-secret");
});

it("fails where there is nothing to be found", async () => {
  expect((await obtain({})).outcome).toBeInstanceOf(Error);
});
