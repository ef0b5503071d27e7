/** Proves that the sign-in takes the ways in which issuers want to know their client, and ends with its time. */
import { createSecretKey } from "node:crypto";
import { inspect } from "node:util";
import { decodeJwt } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { exchangeThroughEgress } from "#platform/egress/egress-exchange.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { freePort } from "../../../test/harness/free-port.ts";
import type { OpenIdClient } from "../../../test/harness/sign-in-desk.ts";
import { startTokenIssuer, type TokenIssuer } from "../../../test/harness/token-issuer.ts";
import type { ConsoleClient } from "../console-config.ts";
import { ConsoleSignIn, longestSignInMs } from "./console-sign-in.ts";

const redirectUri = "http://localhost:8080/console/callback";
const pepper = createSecretKey(Buffer.from("pepper of the tests"));

interface Started {
  readonly issuer: TokenIssuer;
  readonly signIn: ConsoleSignIn;
  readonly console: MutableLiveValue<{ readonly console: ConsoleClient | undefined }>;
  readonly clock: { nowMs: number };
}

async function start(client: Omit<OpenIdClient, "id" | "redirectUri"> = {}, known: Partial<ConsoleClient> = {}): Promise<Started> {
  const issuer = await startTokenIssuer({ id: "weir", redirectUri, ...client });
  onTestFinished(() => issuer.stop());
  const clientSecret = client.secret === undefined ? undefined : new Secret(client.secret);
  const console = new MutableLiveValue<{ readonly console: ConsoleClient | undefined }>({ console: { issuer: issuer.url, clientId: "weir", clientSecret, redirectUri, scopes: ["openid"], clockToleranceMs: 30_000, ...known } });
  const clock = { nowMs: 0, now: () => clock.nowMs, monotonicMs: () => clock.nowMs };
  return { issuer, signIn: new ConsoleSignIn({ config: console, pepper, exchange: exchangeThroughEgress, clock }), console, clock };
}

/** The query with which the issuer sends the person back. */
async function answerTo(authorizationUrl: string): Promise<string> {
  const answered = await fetch(authorizationUrl, { redirect: "manual" });
  return new URL(answered.headers.get("location")!).search.slice(1);
}

test.each<[string, Omit<OpenIdClient, "id" | "redirectUri">]>([
  ["as a public client", {}],
  ["with its secret in a header", { secret: "s p:é/+", authentication: "client_secret_basic" }],
  ["with its secret in the body", { secret: "s p:é/+", authentication: "client_secret_post" }],
])("%s, it gets the person's token", async (_, client) => {
  const { signIn, issuer } = await start(client);
  issuer.desk.person = { subject: "ada" };
  const { authorizationUrl, pending } = await signIn.begin("/console/");
  const { identityToken, returnPath } = await signIn.finish(pending, await answerTo(authorizationUrl));
  expect([decodeJwt(identityToken).sub, returnPath]).toEqual(["ada", "/console/"]);
});

test("what the browser keeps says nothing of what is in it, and is not to be changed", async () => {
  const { signIn } = await start();
  const { authorizationUrl, pending } = await signIn.begin("/console/");
  const query = await answerTo(authorizationUrl);
  expect(Buffer.from(pending, "base64url").toString("latin1")).not.toContain("/console/");
  for (const kept of ["", "x", pending.slice(0, -4), `${pending.slice(0, 30)}${pending[30] === "A" ? "B" : "A"}${pending.slice(31)}`]) {
    await expect(signIn.finish(kept, query)).rejects.toMatchObject({ reason: "SIGN_IN_FAILED" });
  }
  await signIn.finish(pending, query);
});

test("who takes longer than ten minutes begins anew, and the issuer is not asked", async () => {
  const { signIn, issuer, clock } = await start();
  const { authorizationUrl, pending } = await signIn.begin("/console/");
  const query = await answerTo(authorizationUrl);
  clock.nowMs = longestSignInMs;
  await expect(signIn.finish(pending, query)).rejects.toMatchObject({ reason: "SIGN_IN_FAILED" });
  expect(issuer.desk.exchanges).toBe(0);
});

test("what was begun as one client is not finished as another", async () => {
  const { signIn, console } = await start();
  const { authorizationUrl, pending } = await signIn.begin("/console/");
  const query = await answerTo(authorizationUrl);
  console.set({ console: { ...signIn.client, clientId: "another" } });
  await expect(signIn.finish(pending, query)).rejects.toMatchObject({ reason: "SIGN_IN_FAILED" });
  console.set({ console: undefined });
  await expect(signIn.begin("/console/")).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
});

test.each<[number, boolean]>([[300_000, true], [30_000, false]])("with %d ms of tolerance, a token that ended 100 s ago is taken: %s", async (clockToleranceMs, isTaken) => {
  const { signIn, issuer } = await start({}, { clockToleranceMs });
  issuer.desk.person = { lifetimeSeconds: -100 };
  const { authorizationUrl, pending } = await signIn.begin("/console/");
  const finishing = signIn.finish(pending, await answerTo(authorizationUrl));
  if (isTaken) await finishing;
  else await expect(finishing).rejects.toMatchObject({ reason: "SIGN_IN_FAILED" });
});

test("a wrong secret is the operator's to mend, and stands in no error", async () => {
  const { signIn } = await start({ secret: "right" }, { clientSecret: new Secret("wrong-secret") });
  const { authorizationUrl, pending } = await signIn.begin("/console/");
  const failure: unknown = await signIn.finish(pending, await answerTo(authorizationUrl)).catch((error: unknown) => error);
  expect(failure).toMatchObject({ reason: "SIGN_IN_FAILED", metadata: { code: "invalid_client" } });
  expect(failure).not.toHaveProperty("cause");
  expect(inspect(failure)).not.toContain("wrong-secret");
});

test("an issuer that is away, or another than it says, is no fault of the person's", async () => {
  const { signIn, console, issuer } = await start();
  const { authorizationUrl, pending } = await signIn.begin("/console/");
  const query = await answerTo(authorizationUrl);
  await issuer.stop();
  await expect(signIn.finish(pending, query)).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  console.set({ console: { ...signIn.client, issuer: `http://127.0.0.1:${await freePort()}` } });
  await expect(signIn.begin("/console/")).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  const other = await startTokenIssuer({ id: "weir", redirectUri });
  onTestFinished(() => other.stop());
  console.set({ console: { ...signIn.client, issuer: other.url.replace("127.0.0.1", "localhost") } });
  await expect(signIn.begin("/console/")).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
});
