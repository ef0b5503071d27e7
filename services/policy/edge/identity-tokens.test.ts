import { generateKeyPairSync, sign } from "node:crypto";
import { expect, it } from "vitest";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { createLogger } from "#platform/logger.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { IdentityTokens } from "./identity-tokens.ts";

const issuer = "https://login.example.com";

it("a token by a key that nobody should sign with is the token's fault, and says so", async () => {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "short", alg: "RS256" }] });
  const settings = { issuer, audiences: ["weir"], jwksUri: `${issuer}/keys`, algorithms: ["RS256"], clockToleranceMs: 0, callers: [{ when: [], organization: "acme", team: "default", role: Role.INFERENCE, labels: [] }] };
  const tokens = new IdentityTokens({
    config: new MutableLiveValue({ issuers: new Map([[issuer, settings]]), certificates: [] }),
    exchange: () => Promise.resolve({ status: 200, headers: {}, body: Buffer.from(jwks) }),
    clock: { now: () => 0, monotonicMs: () => 0 },
    logger: createLogger("silent"),
  });
  const signed = [{ alg: "RS256", kid: "short" }, { iss: issuer, aud: "weir", sub: "ada", exp: 60 }].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const token = `${signed}.${sign("sha256", Buffer.from(signed), privateKey).toString("base64url")}`;
  await expect(tokens.verify(token)).rejects.toMatchObject({ reason: "TOKEN_INVALID", message: expect.stringContaining("2048 bits") });
});
