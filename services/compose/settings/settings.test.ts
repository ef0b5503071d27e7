import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type DescMessage } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { runWeir } from "../../../test/harness/run-weir.ts";
import { allServices, serviceNames, type ServiceName } from "../catalog.ts";
import { ownParts } from "./own-parts.ts";
import { loadSettings, readSettings } from "./settings.ts";

test("alerts go to NATS only where there is one", () => {
  const file = create(ConfigSchema, { alerts: { nats: true } });
  expect(() => readSettings(file, {}, new Set(["policy"]))).toThrow(/^alerts[.]nats: there is no NATS/);
  expect(readSettings(file, {}, new Set(["routing"])).nats).toBeUndefined();
  expect(readSettings(file, { WEIR_NATS_URL: "nats://127.0.0.1:4222" }, allServices).policy.alerts.nats).toBe(true);
});

test("replies are shared through NATS only where there is one", () => {
  const file = create(ConfigSchema, { cache: { rules: [{ lifetime: { seconds: 60n } }], shared: { secret: "a secret of more than thirty-two letters" } } });
  expect(() => readSettings(file, {}, new Set(["routing"]))).toThrow(/^cache[.]shared: there is no NATS/);
  expect(readSettings(file, {}, new Set(["policy"])).nats).toBeUndefined();
  const { shared } = readSettings(file, { WEIR_NATS_URL: "nats://127.0.0.1:4222" }, allServices).routing.cache!;
  expect(shared).toMatchObject({ maximumBytes: 268_435_456, storage: "file", replicas: 1 });
  expect(JSON.stringify(shared)).not.toContain("letters");
});

test("what gives texts their vectors for the cache is a route, or a model of a provider", () => {
  const withModel = (model: string) => create(ConfigSchema, { providers: { up: { vendor: "openai", apiKey: "k", models: ["e"] } }, routes: { vectors: { targets: ["up/e"] } }, cache: { rules: [{ lifetime: { seconds: 60n } }, { lifetime: { seconds: 60n }, similar: { model } }] } });
  for (const model of ["vectors", "up/e", "up/other", "e"]) expect(readSettings(withModel(model), {}, allServices).routing.cache!.rules.map(({ similar }) => similar)).toEqual([undefined, { model, minimumSimilarity: 0.95, timeoutMs: 1_000 }]);
  for (const model of ["nobody/e", "routes"]) expect(() => readSettings(withModel(model), {}, allServices)).toThrow(`cache.rules[1].similar.model: "${model}" names no route, and no model of a provider.`);
});

describe("a process without a service", () => {
  const secret = `whsec_${"c2VjcmV0".repeat(6)}`;
  const file = `
providers:
  up: { vendor: openai, api_key: "\${UP_KEY}", base_url: "https://\${UP_HOST}/v1", max_connections: "\${UP_CONNECTIONS}" }
  account: { vendor: azure, base_url: "https://account.openai.azure.com", entra: { tenant_id: "\${TENANT}", client_id: "\${CLIENT}", client_secret: "\${CLIENT_SECRET}" } }
  kept: { vendor: openai, vault: { path: secret/data/openai } }
vault: { address: "https://vault.example", token: "\${VAULT_TOKEN}" }
routes: { fast: { targets: [up/small] } }
content: { organizations: [acme], key: "\${CONTENT_KEY}" }
alerts: { webhooks: [{ name: a, url: "\${ALERT_URL}", secrets: ["\${ALERT_SECRET}"] }] }
guardrail_plugins: { judge: { url: "https://judge.example", secrets: ["\${JUDGE_SECRET}"] } }
guardrails: [{ name: judged, plugin: judge, mode: block }]
cache: { rules: [{ lifetime: 60s }], shared: { secret: "\${CACHE_SECRET}" } }
`;
  const variables: Readonly<Record<ServiceName, Readonly<Record<string, string>>>> = {
    metering: { CONTENT_KEY: Buffer.alloc(32, 7).toString("base64") },
    policy: { ALERT_URL: "https://hooks.example/weir", ALERT_SECRET: secret },
    providers: { UP_KEY: "sk-up", UP_HOST: "up.example", UP_CONNECTIONS: "9", TENANT: "tenant", CLIENT: "client", CLIENT_SECRET: "secret", VAULT_TOKEN: "token" },
    routing: { JUDGE_SECRET: secret, CACHE_SECRET: "a secret of more than thirty-two letters", WEIR_NATS_URL: "nats://127.0.0.1:4222" },
  };
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "weir-settings-"));
    await writeFile(join(folder, "weir.yaml"), file);
  });

  afterAll(() => rm(folder, { recursive: true }));

  const load = (services: readonly ServiceName[], environment: Readonly<Record<string, string>>) => loadSettings(join(folder, "weir.yaml"), environment, new Set(services));

  test("is told of a plug-in's TLS files that cannot be used, with the line, where it serves routing", async () => {
    const [config, authority] = [join(folder, "plugin.yaml"), join(folder, "ca.pem")];
    await writeFile(config, `internal: { shared_secret: 84f1c6b2d907e35a84f1c6b2d907e35a }\npeers: { policy: "127.0.0.1:1", metering: "127.0.0.1:1", providers: "127.0.0.1:1" }\nguardrail_plugins:\n  judge:\n    url: "grpcs://judge.example:1"\n    tls:\n      authority_file: ${authority}\n`);
    const check = (services: string) => runWeir(["config", "check", "--config", config, "--services", services]);
    expect((await check("routing")).stderr).toMatch(/plugin\.yaml:7.*guardrail_plugins\.judge\.tls\.authority_file: .*ca\.pem cannot be read \(ENOENT\)/s);
    await writeFile(authority, "no certificate");
    expect(await check("routing")).toMatchObject({ code: 1, stderr: expect.stringContaining("ca.pem does not hold whole certificates (PEM)") as string });
    expect((await check("metering")).code).toBe(0);
  });

  test("is told before its start what that would refuse: whom it cannot reach, and a certificate that is not there", async () => {
    const config = join(folder, "start.yaml");
    const check = (services: string) => runWeir(["config", "check", "--config", config, "--services", services]);
    await writeFile(config, "listen: { tls: { certificate_file: nowhere.pem, key_file: nowhere.key } }\n");
    expect((await check("policy,metering,providers,routing")).stderr).toMatch(/^listen[.]tls[.]certificate_file: nowhere[.]pem cannot be read/);
    expect((await check("routing")).stderr).toMatch(/^internal: services in separate processes have to know each other/);
    await writeFile(config, "internal: { shared_secret: 84f1c6b2d907e35a84f1c6b2d907e35a }\n");
    expect((await check("routing")).stderr).toMatch(/^peers[.]metering: missing: this process does not run metering/);
  });

  test.each([
    ["prices: { gpt: { input: '1' } }", 'prices.gpt: "gpt" names no vendor'],
    ["guardrails: [{ name: a, patterns: ['(?=a)'], mode: block }]", 'guardrails[0].patterns: "(?=a)" is no regular expression'],
    ["rate_limits: [{ name: a, count: requests, amount: 1, window: minute, where: '1 +' }]", "rate_limits[0].where: The condition `1 +` cannot be used"],
    ["rate_limits: [{ name: a, count: requests, amount: 1, window: minute }, { name: a, count: requests, amount: 2, window: hour }]", 'rate_limits[1].name: two are called "a"'],
    ["budgets: [{ name: a, limit: '1', time_zone: Berlin }]", "budgets[0].time_zone: A time zone is an IANA name"],
    ["budgets: [{ name: a, limit: '1' }, { name: a, limit: '1' }]", 'budgets[1].name: two are called "a" of the organization "default"'],
    ["providers: { az: { vendor: azure, api_key: k } }", "providers.az.base_url: missing"],
    ["providers: { a: { vendor: opneai, api_key: k } }", 'providers.a.vendor: no vendor has the name "opneai": did you mean openai? Weir knows openai,'],
    ["alerts: { webhooks: [{ name: a, url: 'http://10.0.0.1/x', secrets: [whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0] }] }", "alerts.webhooks[0].url: http://10.0.0.1 cannot be used"],
    ["console: { issuer: 'https://a.example', client_id: w, origin: 'https://w.example' }", "console.issuer: https://a.example is not among identity.issuers"],
  ])("is told with the line of %s", async (line, fault) => {
    const path = join(folder, "faulty.yaml");
    await writeFile(path, `# a comment\n${line}\n`);
    await expect(loadSettings(path, {}, new Set(serviceNames))).rejects.toThrow(`${path}:2: ${fault}`);
  });

  test("needs none of the service's keys and secrets, and has none of them", async () => {
    for (const name of serviceNames) {
      const { metering, policy, providers, routing } = await load([name], variables[name]);
      expect([...providers.providers.keys()]).toEqual(name === "providers" ? ["up", "account", "kept"] : ["demo"]);
      expect(policy.alerts.webhooks.map(({ url }) => url.reveal())).toEqual(name === "policy" ? ["https://hooks.example/weir"] : []);
      expect([...routing.plugins.keys()]).toEqual(name === "routing" ? ["judge"] : []);
      expect(routing.cache!.shared?.secret.reveal()).toBe(name === "routing" ? variables.routing["CACHE_SECRET"] : undefined);
      expect(metering.contentKey !== undefined).toBe(name === "metering");
      expect([...routing.keptOrganizations]).toEqual(["acme"]);
    }
  });

  test("reads none of them where they are there, and sees that they have changed all the same", async () => {
    const everything = Object.assign({}, ...Object.values(variables)) as Readonly<Record<string, string>>;
    const { file: read, providers } = await load(["routing"], everything);
    expect([...providers.providers.keys()]).toEqual(["demo"]);
    expect(read.providers["up"]).toMatchObject({ apiKey: "sk-up", baseUrl: "https://up.example/v1", maxConnections: 9 });
    const { file: unset } = await load(["routing"], variables.routing);
    expect(unset.providers["up"]).toMatchObject({ apiKey: "${UP_KEY}", baseUrl: "https://${UP_HOST}/v1", models: [] });
  });

  test("refuses what is wrong with the service's parts, where it can read them", async () => {
    const wrong = (text: string) => readSettings(create(ConfigSchema, { providers: { up: { vendor: "openai", apiKey: text, baseUrl: "no address" } } }), {}, new Set(["routing"]));
    expect(() => wrong("k")).toThrow("providers.up.base_url");
    expect(wrong("${UP_KEY}").routing.routes.size).toBe(0);
    const twice = create(ConfigSchema, { alerts: { webhooks: [1, 2].map(() => ({ name: "pager", url: "https://hooks.example/weir" })) } });
    expect(() => readSettings(twice, {}, new Set(["routing"]))).toThrow('two are called "pager"');
  });

  test("refuses a route to a provider that the file does not name", async () => {
    await writeFile(join(folder, "nowhere.yaml"), file.replace("up/small", "down/small"));
    await expect(loadSettings(join(folder, "nowhere.yaml"), variables.routing, new Set(["routing"]))).rejects.toThrow('routes.fast.targets: "down/small" names no provider; there are up, account, kept.');
  });

  test("is told of a variable that its own service lacks", async () => {
    for (const name of serviceNames) {
      for (const missing of Object.keys(variables[name]).filter((variable) => !variable.startsWith("WEIR_"))) {
        const { [missing]: _, ...others } = variables[name];
        await expect(load([name], others)).rejects.toThrow(`takes its value from the environment variable ${missing}, which is not set`);
      }
    }
  });

  test("routes to providers that are found in another's environment", () => {
    const routes = create(ConfigSchema, { routes: { fast: { targets: ["openai/small"] } } });
    expect([...readSettings(routes, {}, new Set(["routing"])).routing.routes.keys()]).toEqual(["fast"]);
    expect(() => readSettings(routes, {}, allServices)).toThrow('"openai/small" names no provider');
  });
});

test("every secret is one service's, or said to be for all", () => {
  const forAll = ["internal.shared_secret", "events.nats.url", "events.nats.password", "events.nats.token", "proxy.url", "tracing.headers"];
  const owned = Object.values(ownParts).flat();
  const secrets = secretsIn(ConfigSchema, "").filter((path) => !owned.some((part) => path === part || path.startsWith(`${part}.`)));
  expect(secrets.toSorted()).toEqual(forAll.toSorted());
});

function secretsIn(message: DescMessage, path: string): string[] {
  return message.fields.flatMap((field) => {
    const place = path === "" ? field.name : `${path}.${field.name}`;
    if (field.proto.options?.debugRedact === true) return [place];
    const isOwn = field.message?.file.proto.package.startsWith("weir.config.") === true;
    return isOwn ? secretsIn(field.message!, place) : [];
  });
}
