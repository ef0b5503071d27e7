/** Proves that a vendor's key can stand in a Vault: read from there, replaced there while Weir runs, and shown to nobody but the vendor; and that stored ones can be encrypted by a Vault. */
import { readdir } from "node:fs/promises";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { newTransitKey, roleId, startVaultServer, type VaultServer } from "../../services/providers/testing/vault-server.ts";
import { runWeir } from "../harness/run-weir.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const completion = { id: "c1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hi" } }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } };
const secretId = "canary-of-a-secret-id";

let vault: VaultServer;
let vendor: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  vault = await startVaultServer();
  Object.assign(vault.state, { secretId, tokenSeconds: 3, longestTokenSeconds: 4 });
  vault.state.secrets.set("secret/data/openai", { api_key: "sk-canary-1" });
  vault.state.transitKeys.set("weir", newTransitKey());
  vendor = await startScriptedProvider(json(200, completion));
  const models = `base_url: "${vendor.baseUrl}", models: [m]`;
  weir = await startWeir({
    environment: { VAULT_SECRET_ID: secretId },
    config: `
vault: { address: "${vault.address}", app_role: { role_id: ${roleId}, secret_id: "\${VAULT_SECRET_ID}" }, refresh_interval: 1s, transit: { key: weir } }
providers:
  main: { vendor: openai, ${models}, vault: { path: secret/data/openai } }
  missing: { vendor: openai, ${models}, vault: { path: secret/data/missing } }
  stored: { vendor: openai, ${models}, stored_credentials: true }
routes: { safe: { targets: [missing/m, main/m] } }
logging: { level: debug }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await vendor?.stop();
  await vault?.stop();
});

async function call(model = "main/m"): Promise<{ readonly status: number; readonly text: string; readonly key: string | undefined }> {
  const before = vendor.requests.length;
  const response = await fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json" }, body: JSON.stringify({ model, messages: [{ role: "user", content: "rain" }] }) });
  return { status: response.status, text: await response.text(), key: vendor.requests[before]?.headers.authorization };
}

function paths(): string[] {
  return vault.requests.map(({ path }) => path);
}

test("the key is read at the start, and goes to the vendor", async () => {
  await expect.poll(paths).toContain("secret/data/openai");
  expect(await call()).toMatchObject({ status: 200, key: "Bearer sk-canary-1" });
});

test("a key that is replaced in Vault is in force without a restart", async () => {
  vault.state.secrets.set("secret/data/openai", { api_key: "sk-canary-2" });
  await expect.poll(async () => (await call()).key).toBe("Bearer sk-canary-2");
});

test("Weir's own token is renewed, and obtained anew at the end of its longest life", async () => {
  const logins = (): number => paths().filter((path) => path === "auth/approle/login").length;
  const before = logins();
  await expect
    .poll(async () => {
      expect(await call()).toMatchObject({ status: 200 });
      return logins() > before && paths().includes("auth/token/renew-self");
    })
    .toBe(true);
});

test("while Vault is down the last known key serves, and a new one when it is back", async () => {
  await vault.goDown();
  const failures = (): number => weir.log().filter(({ cause }) => String(cause).includes("Vault gave no answer")).length;
  await expect
    .poll(async () => {
      expect(await call()).toMatchObject({ status: 200, key: "Bearer sk-canary-2" });
      return failures();
    })
    .toBeGreaterThan(0);
  vault.state.secrets.set("secret/data/openai", { api_key: "sk-canary-3" });
  await vault.comeBack();
  await expect.poll(async () => (await call()).key).toBe("Bearer sk-canary-3");
});

test("a provider whose key cannot be had fails with the cause in the log, and a route goes on to its next target", async () => {
  const { status, text } = await call("missing/m");
  expect(status).toBe(503);
  expect(text).toContain("The provider missing has no credential");
  expect(weir.log()).toContainEqual(expect.objectContaining({ provider: "missing", cause: "Vault answered GET secret/data/missing with the status 404: there is nothing" }));
  expect(await call("safe")).toMatchObject({ status: 200, key: "Bearer sk-canary-3" });
});

test("a provider without a credential is shown to its operator by name, with the cause, and to nobody else, until it has one", async () => {
  const problems = async (key?: string): Promise<string[]> => (await weir.client(InferenceService, key).listModels({})).providerProblems.map(({ provider, description }) => `${provider}: ${description}`);
  const noneStored = "stored: none is stored, or all are turned off or cannot be read";
  await expect.poll(() => problems()).toEqual(["missing: Vault answered GET secret/data/missing with the status 404: there is nothing", noneStored]);
  expect(await problems(weir.inferenceKey)).toEqual([]);
  const { stdout } = await runWeir(["models", "--data", weir.dataDirectory]);
  expect(stdout).toContain("There is no credential for missing, and its calls fail: Vault answered GET secret/data/missing with the status 404: there is nothing.");
  expect((await fetch(`${weir.processes[0]!.adminOrigin}/readyz`)).status).toBe(200);
  vault.state.secrets.set("secret/data/missing", { api_key: "sk-canary-late" });
  await expect.poll(async () => (await call("missing/m")).key).toBe("Bearer sk-canary-late");
  await expect.poll(() => problems()).toEqual([noneStored]);
});

test("a stored key is encrypted by Vault, which never sees it, and nothing of this lies in the data directory", async () => {
  const secret = "sk-canary-stored";
  const providers = weir.client(ProvidersService);
  const { credential } = await providers.createCredential({ provider: "stored", name: "first", secret });
  expect(credential!.fingerprint).toMatch(/^[0-9a-f]{16}$/);
  await expect.poll(async () => (await call("stored/m")).key).toBe(`Bearer ${secret}`);
  await expect(providers.createCredential({ provider: "stored", name: "again", secret })).rejects.toMatchObject({ code: Code.AlreadyExists });
  const asked = vault.requests.filter(({ path }) => path.startsWith("transit/"));
  expect(new Set(asked.map(({ path }) => path))).toEqual(new Set(["transit/encrypt/weir", "transit/hmac/weir", "transit/decrypt/weir"]));
  for (const { body } of asked) for (const text of Object.values(body)) expect(Buffer.from(String(text), "base64").toString("latin1") + String(text)).not.toContain("sk-canary");
  expect(await readdir(weir.dataDirectory)).not.toContain("credential-key");

  vault.state.isSealed = true;
  await expect(providers.createCredential({ provider: "stored", name: "second", secret: "sk-canary-second" })).rejects.toMatchObject({ code: Code.Unavailable });
  expect(await call("stored/m")).toMatchObject({ status: 200, key: `Bearer ${secret}` });
  vault.state.isSealed = false;
});

test("neither a key nor what Weir signs in with stands in the log", () => {
  const tokens = new Set(vault.requests.flatMap(({ token }) => token ?? []));
  expect(tokens.size).toBeGreaterThan(0);
  const log = JSON.stringify(weir.log());
  for (const secret of ["sk-canary", secretId, ...tokens]) expect(log).not.toContain(secret);
});
