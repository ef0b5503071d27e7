/** Owns the proof of which providers come of a configuration and an environment. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ConfigFileError } from "#platform/config-file/config-file-error.ts";
import { loadConfigFile } from "#platform/config-file/load-config-file.ts";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { Modality } from "#gen/weir/inference/v1/generation_pb.ts";
import { ModelFactsSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { readProvidersConfig, type Environment, type ProviderConfig } from "./config.ts";

function read(providers: NonNullable<MessageInitShape<typeof ConfigSchema>["providers"]>, environment: Environment = {}): ProviderConfig[] {
  return [...readProvidersConfig(create(ConfigSchema, { providers }), environment).providers.values()];
}

function faultsOf(providers: NonNullable<MessageInitShape<typeof ConfigSchema>["providers"]>, environment: Environment = {}): unknown {
  try {
    return read(providers, environment);
  } catch (error) {
    return error;
  }
}

/** What is wrong with a configuration file of this text. */
async function saidOf(text: string): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), "weir-config-"));
  const path = join(directory, "weir.yaml");
  await writeFile(path, text);
  const said = await loadConfigFile({ path, environment: {}, schema: ConfigSchema }).then(() => [], (error: unknown) => (error as ConfigFileError).problems.map(({ field, message }) => `${field}: ${message}`));
  await rm(directory, { recursive: true });
  return said;
}

describe("the facts of models", () => {
  const factsOf = (models: NonNullable<MessageInitShape<typeof ConfigSchema>["models"]>, name: string): unknown => readProvidersConfig(create(ConfigSchema, { models }), {}).modelFacts.get(name);

  it("are built in, each with its source and date, and absent where nothing is known", () => {
    expect(factsOf({}, "openai/gpt-5-nano")).toMatchObject({ operation: "generate", contextWindowTokens: 400_000n, inputModalities: [Modality.TEXT, Modality.IMAGE], tools: true, source: expect.stringContaining("https://"), readDate: "2026-11" });
    expect(factsOf({}, "gemini/gemini-3.5-flash-lite")).toEqual(create(ModelFactsSchema, { operation: "generate", source: expect.any(String) as string, readDate: "2026-11" }));
    expect(factsOf({}, "ollama/llava")).toBeUndefined();
  });

  it("are replaced field by field by what is configured", () => {
    expect(factsOf({ "openai/gpt-5-nano": { contextWindowTokens: 9n } }, "openai/gpt-5-nano")).toMatchObject({ contextWindowTokens: 9n, maxOutputTokens: 128_000n, tools: true, source: "weir.yaml", readDate: "" });
    expect(factsOf({ "ollama/llama3.2:3b": { inputModalities: ["text", "document"], tools: false } }, "ollama/llama3.2:3b")).toMatchObject({ inputModalities: [Modality.TEXT, Modality.DOCUMENT], outputModalities: [], tools: false });
  });
});

describe("readProvidersConfig", () => {
  it("reads the file, with defaults where it is silent", () => {
    const [provider] = read({ main: { vendor: "openai", apiKey: "sk-1" } }, { ANTHROPIC_API_KEY: "not used" });
    expect(provider).toMatchObject({
      name: "main",
      vendor: "openai",
      baseUrl: "https://api.openai.com/v1",
      baseUrlIsOwn: false,
      connectTimeoutMs: 5_000,
      firstByteTimeoutMs: 600_000,
      idleTimeoutMs: 120_000,
      maximumConnections: 256,
      origin: "weir.yaml",
    });
    expect(provider?.credential?.reveal()).toBe("sk-1");
    expect(provider?.models).toContain("text-embedding-3-small");
    expect(JSON.stringify(provider)).not.toContain("sk-1");
  });

  it("reads what the file says", () => {
    const [provider] = read({
      local: { vendor: "openai", baseUrl: "http://127.0.0.1:11434/v1/", models: ["llama"], onlyListedModels: true, idleTimeout: { seconds: 7n }, maxConnections: 3 },
    });
    expect(provider).toMatchObject({ baseUrl: "http://127.0.0.1:11434/v1", baseUrlIsOwn: true, credential: undefined, models: ["llama"], onlyListedModels: true, idleTimeoutMs: 7_000, maximumConnections: 3 });
  });

  it("takes credentials of organizations alone where they can be stored, and nobody else's stand beside", () => {
    const own = { vendor: "openai", onlyOrganizationCredentials: true };
    expect(read({ main: { ...own, storedCredentials: true } })).toMatchObject([{ hasStoredCredentials: true, onlyOrganizationCredentials: true }]);
    const faulty = [own, { ...own, storedCredentials: true, apiKey: "sk-1" }];
    for (const provider of faulty) expect(faultsOf({ main: provider })).toMatchObject({ reason: "INVALID_REQUEST", message: expect.stringContaining("providers.main.only_organization_credentials") });
  });

  it("finds the vendors whose key is in the environment", () => {
    const found = read({}, { OPENAI_API_KEY: "sk-1", ANTHROPIC_API_KEY: " sk-2 ", ANTHROPIC_BASE_URL: "https://proxy.example/anthropic", GEMINI_API_KEY: "AIza" });
    expect(found.map(({ name, baseUrl, origin }) => [name, baseUrl, origin])).toEqual([
      ["openai", "https://api.openai.com/v1", "OPENAI_API_KEY"],
      ["anthropic", "https://proxy.example/anthropic/v1", "ANTHROPIC_API_KEY"],
      ["gemini", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY"],
    ]);
    expect(found[1]?.credential?.reveal()).toBe("sk-2");
  });

  it.each([
    ["", ["openai", "openai-responses"]],
    ["https://api.openai.com/v1", ["openai", "openai-responses"]],
    ["https://eu.api.openai.com/v1", ["openai", "openai-responses"]],
    ["http://127.0.0.1:11434/v1", ["openai"]],
    ["https://api.openai.com.example/v1", ["openai"]],
  ])("of OpenAI at %j the native dialects are %j", (baseUrl, nativeDialects) => {
    expect(read({ main: { vendor: "openai", apiKey: "sk-1", baseUrl } })[0]?.adapter.nativeDialects).toEqual(nativeDialects);
    expect(read({}, { OPENAI_API_KEY: "sk-1", OPENAI_BASE_URL: baseUrl })[0]?.adapter.nativeDialects).toEqual(nativeDialects);
  });

  it("takes a compatible server's word that it has the Responses API, and nobody else's", () => {
    const [provider] = read({ local: { vendor: "openai", baseUrl: "http://127.0.0.1:8000/v1", responsesApi: true } });
    expect(provider?.adapter.nativeDialects).toContain("openai-responses");
    expect(faultsOf({ a: { vendor: "anthropic", apiKey: "x", responsesApi: true } })).toMatchObject({ fieldViolations: [{ field: "providers.a.responses_api" }] });
  });

  it("falls back to the demo", () => {
    expect(read({}, { OPENAI_API_KEY: "" })).toMatchObject([{ name: "demo", vendor: "demo", origin: "built in", models: ["demo-chat", "demo-embed"] }]);
  });

  it("names every fault with its field", () => {
    expect(faultsOf({ a: { vendor: "opnai", apiKey: "x" }, b: { vendor: "anthropic" }, c: { vendor: "openai", baseUrl: "https://user:pass@host/v1" } })).toMatchObject({
      reason: "INVALID_REQUEST",
      fieldViolations: [
        { field: "providers.a.vendor", description: expect.stringMatching(/openai, anthropic, .*groq, .*demo/) },
        { field: "providers.b.api_key", description: expect.stringContaining("${ANTHROPIC_API_KEY}") },
        { field: "providers.c.base_url" },
      ],
    });
  });

  it("wants an address where a vendor has none of its own, and takes one where there is no credential", () => {
    expect(faultsOf({ a: { vendor: "azure" } })).toMatchObject({ fieldViolations: [{ field: "providers.a.api_key" }, { field: "providers.a.base_url" }] });
    expect(read({ a: { vendor: "lm_studio" } })).toMatchObject([{ baseUrl: "http://127.0.0.1:1234/v1", credential: undefined }]);
  });

  it.each([
    ["", "https://aiplatform.googleapis.com/v1", "/projects/river/locations/global/"],
    ["eu", "https://aiplatform.eu.rep.googleapis.com/v1", "/projects/river/locations/eu/"],
    ["europe-west4", "https://europe-west4-aiplatform.googleapis.com/v1", "/projects/river/locations/europe-west4/"],
  ])("finds Vertex AI in the location %j", (location, baseUrl, path) => {
    const [provider] = read({ a: { vendor: "vertex", project: "river", location, identity: { case: "google", value: {} } } });
    expect(provider).toMatchObject({ baseUrl, credential: undefined, identity: { name: "google" } });
    expect(provider?.adapter.generate.buildNativeRequest(Buffer.from("{}"), "gemini-3.8-flash", false).path).toBe(`${path}publishers/google/models/gemini-3.8-flash:generateContent`);
    expect(provider?.adapter.generate.buildNativeRequest(Buffer.from("{}"), "endpoints/7", true).path).toBe(`${path}endpoints/7:streamGenerateContent?alt=sse`);
  });

  it("takes Azure by a dated version, and by an identity of Entra", () => {
    const identity = { case: "entra" as const, value: { tenantId: "t", clientId: "c", clientSecret: "canary" } };
    const [provider] = read({ a: { vendor: "azure", baseUrl: "https://river.openai.azure.com/openai", apiVersion: "2024-10-21", identity } });
    expect(provider).toMatchObject({ baseUrl: "https://river.openai.azure.com/openai", credential: undefined, identity: { name: "entra" }, settings: { apiVersion: "2024-10-21" } });
    expect(provider?.adapter.generate.buildNativeRequest(Buffer.from("{}"), "gpt", false).path).toBe("/deployments/gpt/chat/completions?api-version=2024-10-21");
  });

  it.each([
    ["{ vendor: vertex, google: {} }", []],
    ["{ vendor: vertex, google: { credentials: '{}', credentials_file: /x } }", ["providers.a.google: credentials and credentials_file cannot both be given"]],
    ['{ vendor: vertex, google: { credentials: "" } }', ["providers.a.google.credentials: must not be empty"]],
    ["{ vendor: vertex, api_key: x, google: {} }", [expect.stringContaining("providers.a: api_key cannot be given together with google")]],
    ["{ vendor: azure, entra: { tenant_id: t, client_id: c } }", ["providers.a.entra: needs either client_secret or federated_token_file"]],
    ["{ vendor: azure, entra: { tenant_id: t, client_id: c, client_secret: s, federated_token_file: /x } }", ["providers.a.entra: needs either client_secret or federated_token_file"]],
    ["{ vendor: azure, google: {}, entra: {} }", expect.arrayContaining([expect.stringContaining("cannot be given together with google")])],
  ])("of the file %s says %j", async (provider, faults) => {
    expect(await saidOf(`providers: { a: ${provider} }`)).toEqual(faults);
  });

  it.each([
    ["{ address: https://vault:8200, token: t }", []],
    ["{ address: https://vault:8200, app_role: { role_id: r } }", []],
    ["{ address: https://vault:8200 }", ["vault: needs a way to sign in: token, token_file, app_role or kubernetes"]],
    ["{ address: https://vault:8200, token: t, token_file: /t }", expect.arrayContaining([expect.stringContaining("cannot be given together with token")])],
    ["{ address: https://vault:8200, app_role: { role_id: r, secret_id: s, secret_id_file: /s } }", ["vault.app_role: secret_id and secret_id_file cannot both be given"]],
    ["{ address: vault:8200, token: t }", [expect.stringContaining("vault.address: ")]],
  ])("of the Vault %s says %j", async (vault, faults) => {
    expect(await saidOf(`vault: ${vault}`)).toEqual(faults);
  });

  it("takes the key of any vendor out of the Vault that is configured, and says so where none is", () => {
    const inVault = { identity: { case: "vault" as const, value: { path: "secret/data/a" } } };
    const providers = { a: { vendor: "openai", ...inVault }, b: { vendor: "bedrock", ...inVault }, c: { vendor: "vertex", project: "river", ...inVault } };
    const vault = { address: "https://vault:8200", signIn: { case: "token" as const, value: "canary" } };
    const read = [...readProvidersConfig(create(ConfigSchema, { vault, providers }), {}).providers.values()];
    expect(read).toMatchObject([{ credential: undefined, identity: { name: "vault" } }, { identity: { name: "vault" } }, { identity: { name: "vault" } }]);
    expect(JSON.stringify(read)).not.toContain("canary");
    expect(faultsOf({ a: { vendor: "openai", ...inVault } })).toMatchObject({ fieldViolations: [{ field: "providers.a.vault", description: expect.stringContaining("say under `vault` where it is") }] });
    expect(faultsOf({ a: { vendor: "openai", storedCredentials: true, ...inVault } })).toMatchObject({ fieldViolations: expect.arrayContaining([expect.objectContaining({ field: "providers.a.stored_credentials" })]) });
  });

  it("shows nothing of an identity's secrets", () => {
    expect(JSON.stringify(read({ a: { vendor: "vertex", project: "river", identity: { case: "google", value: { credentials: "canary" } } } }))).not.toContain("canary");
  });

  it("says what an identity lacks, and which vendors take it and the settings of some", () => {
    const google = { case: "google" as const, value: {} };
    expect(faultsOf({ a: { vendor: "vertex" }, b: { vendor: "openai", identity: google }, c: { vendor: "gemini", apiKey: "x", location: "eu" } })).toMatchObject({
      fieldViolations: [
        { field: "providers.a.api_key", description: expect.stringContaining('under "google"') },
        { field: "providers.a.project", description: expect.stringContaining("missing") },
        { field: "providers.b.google", description: expect.stringContaining("only for vertex, vertex_anthropic") },
        { field: "providers.c.location", description: expect.stringContaining("only for vertex, vertex_anthropic") },
      ],
    });
  });

  it("refuses a key that no header carries", () => {
    expect(faultsOf({ a: { vendor: "openai", apiKey: "sk-1\n" } })).toMatchObject({ fieldViolations: [{ field: "providers.a.api_key" }] });
    expect(faultsOf({}, { OPENAI_API_KEY: "sk 1" })).toMatchObject({ fieldViolations: [{ field: "OPENAI_API_KEY" }] });
  });

  it.each(["ftp://host/v1", "http://169.254.169.254/v1", "http://[fe80::1]/v1", "http://2852039166/v1", "https://host/v1?key=1"])("refuses the base URL %s", (baseUrl) => {
    expect(faultsOf({ a: { vendor: "openai", baseUrl } })).toMatchObject({ fieldViolations: [{ field: "providers.a.base_url" }] });
    expect(faultsOf({}, { OPENAI_API_KEY: "x", OPENAI_BASE_URL: baseUrl })).toMatchObject({ fieldViolations: [{ field: "OPENAI_BASE_URL" }] });
  });
});
