/** Owns the proof of how Weir signs in at a Vault, keeps its token, and says why it was refused. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VaultSchema } from "#gen/weir/config/v1/vault_pb.ts";
import { createAuthority, issueCertificate } from "#platform/peers/testing/certificates.ts";
import { roleId, startVaultServer, type VaultServer } from "../../testing/vault-server.ts";
import { VaultClient } from "./vault-client.ts";

const minuteMs = 60_000;

let server: VaultServer;
let directory: string;
let nowMs: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "weir-vault-"));
  server = await startVaultServer();
  nowMs = 1_000_000_000;
  server.state.nowMs = () => nowMs;
  server.state.secrets.set("secret/data/openai", { api_key: "sk-1" });
});
afterEach(async () => {
  await server.stop();
  await rm(directory, { recursive: true });
});

function clientWith(settings: MessageInitShape<typeof VaultSchema>): VaultClient {
  return new VaultClient(create(VaultSchema, { address: server.address, ...settings }));
}

function byAppRole(): VaultClient {
  return clientWith({ signIn: { case: "appRole", value: { roleId, secretId: server.state.secretId } } });
}

async function read(client: VaultClient, path = "secret/data/openai"): Promise<unknown> {
  return (await client.ask({ method: "GET", path }, nowMs, new AbortController().signal))["data"];
}

/** The paths that were asked since the last time. */
function asked(): string[] {
  return (server.requests as unknown[] as { path: string }[]).splice(0).map(({ path }) => path);
}

const secret = { data: { api_key: "sk-1" } };

describe("Weir signs in", () => {
  it("by AppRole, once for all who come", async () => {
    const client = byAppRole();
    for (const data of await Promise.all([read(client), read(client), read(client)])) expect(data).toMatchObject(secret);
    expect(asked().filter((path) => path === "auth/approle/login")).toHaveLength(1);
  });

  it("by AppRole with a secret id out of a file, which is read anew", async () => {
    const secretIdFile = join(directory, "secret-id");
    const client = clientWith({ signIn: { case: "appRole", value: { roleId, secretIdFile } } });
    await writeFile(secretIdFile, "another\n");
    await expect(read(client)).rejects.toThrow("Vault answered POST auth/approle/login with the status 400: invalid role or secret ID");
    await writeFile(secretIdFile, `${server.state.secretId}\n`);
    expect(await read(client)).toMatchObject(secret);
  });

  it("as a service account of Kubernetes", async () => {
    const tokenFile = join(directory, "token");
    await writeFile(tokenFile, server.state.serviceAccountToken);
    expect(await read(clientWith({ signIn: { case: "kubernetes", value: { role: "weir", tokenFile } } }))).toMatchObject(secret);
    expect(server.requests[0]).toMatchObject({ path: "auth/kubernetes/login", body: { role: "weir", jwt: server.state.serviceAccountToken } });
  });

  it("with a token, or one out of a file, in its namespace", async () => {
    const tokenFile = join(directory, "token");
    const [first, second] = [server.createToken(), server.createToken()];
    await writeFile(tokenFile, `${second}\n`);
    expect(await read(clientWith({ namespace: "team-a", signIn: { case: "token", value: first } }))).toMatchObject(secret);
    expect(await read(clientWith({ signIn: { case: "tokenFile", value: tokenFile } }))).toMatchObject(secret);
    expect(server.requests.map(({ token, namespace }) => [token, namespace])).toEqual([[first, "team-a"], [first, "team-a"], [second, undefined], [second, undefined]]);
  });

  it("where the method is mounted", async () => {
    const client = clientWith({ signIn: { case: "appRole", value: { roleId, secretId: server.state.secretId, mount: "team/a b" } } });
    await expect(read(client)).rejects.toThrow("POST auth/team/a b/login");
  });

  it("over TLS, at a Vault that its authority has certified, and at no other", async () => {
    const authority = createAuthority("vault authority");
    const { certificatePem, keyPem } = issueCertificate(authority, ["localhost"]);
    const secure = await startVaultServer({ key: keyPem, cert: certificatePem });
    try {
      const authorityFile = join(directory, "authority.pem");
      await writeFile(authorityFile, authority.certificatePem);
      const signIn = { case: "token", value: secure.createToken() } as const;
      secure.state.secrets.set("secret/data/openai", { api_key: "sk-1" });
      const address = secure.address.replace("127.0.0.1", "localhost");
      const trusting = new VaultClient(create(VaultSchema, { address, authorityFile, signIn }));
      expect(await read(trusting)).toMatchObject(secret);
      await expect(read(new VaultClient(create(VaultSchema, { address, signIn })))).rejects.toThrow("Vault gave no answer to GET auth/token/lookup-self");
    } finally {
      await secure.stop();
    }
  });

  it("at a Vault whose authority is replaced, as soon as the file has the next one", async () => {
    const [former, next] = [createAuthority("the former authority"), createAuthority("the next authority")];
    const { certificatePem, keyPem } = issueCertificate(next, ["localhost"]);
    const secure = await startVaultServer({ key: keyPem, cert: certificatePem });
    try {
      const authorityFile = join(directory, "authority.pem");
      await writeFile(authorityFile, former.certificatePem);
      secure.state.secrets.set("secret/data/openai", { api_key: "sk-1" });
      const client = new VaultClient(create(VaultSchema, { address: secure.address.replace("127.0.0.1", "localhost"), authorityFile, signIn: { case: "token", value: secure.createToken() } }));
      await expect(read(client)).rejects.toThrow("Vault gave no answer");
      await writeFile(authorityFile, former.certificatePem + next.certificatePem);
      expect(await read(client)).toMatchObject(secret);
    } finally {
      await secure.stop();
    }
  });
});

describe("Weir's token", () => {
  it("is renewed before its end, and no sooner", async () => {
    const client = byAppRole();
    await read(client);
    nowMs += 13 * minuteMs;
    await read(client);
    expect(asked()).toEqual(["auth/approle/login", "secret/data/openai", "secret/data/openai"]);
    nowMs += minuteMs;
    await read(client);
    expect(asked()).toEqual(["auth/token/renew-self", "secret/data/openai"]);
    nowMs += 13 * minuteMs;
    await read(client);
    expect(asked()).toEqual(["secret/data/openai"]);
  });

  it("is obtained anew when it nears its longest life, or cannot be renewed", async () => {
    server.state.longestTokenSeconds = 1500;
    const client = byAppRole();
    await read(client);
    nowMs += 16 * minuteMs;
    await read(client);
    expect(asked().slice(2)).toEqual(["auth/token/renew-self", "auth/approle/login", "secret/data/openai"]);
    nowMs += 16 * minuteMs;
    server.revokeTokens();
    await read(client);
    expect(asked()).toEqual(["auth/token/renew-self", "auth/approle/login", "secret/data/openai"]);
  });

  it("that has ended is obtained anew", async () => {
    const client = byAppRole();
    await read(client);
    nowMs += 21 * minuteMs;
    await read(client);
    expect(asked().slice(2)).toEqual(["auth/approle/login", "secret/data/openai"]);
  });

  it("is obtained anew where the clock was set back: nobody knows how old it is", async () => {
    const client = byAppRole();
    await read(client);
    asked();
    nowMs -= 3_600_000;
    await read(client);
    expect(asked()).toContain("auth/approle/login");
    await read(client);
    expect(asked()).not.toContain("auth/approle/login");
  });

  it("that was revoked is obtained anew at once, but not every few seconds", async () => {
    const client = byAppRole();
    await read(client);
    nowMs += 5_000;
    server.revokeTokens();
    expect(await read(client)).toMatchObject(secret);
    server.revokeTokens();
    asked();
    await expect(read(client)).rejects.toThrow("permission denied");
    expect(asked()).toEqual(["secret/data/openai"]);
    nowMs += 5_000;
    expect(await read(client)).toMatchObject(secret);
    expect(asked()).toEqual(["secret/data/openai", "auth/token/lookup-self", "auth/approle/login", "secret/data/openai"]);
  });

  it("that is good, and may not do what is asked, is replaced once it is a minute old: it may have been given the right meanwhile", async () => {
    const client = byAppRole();
    await read(client);
    asked();
    nowMs += minuteMs - 1;
    await expect(read(client, "sys/seal")).rejects.toThrow("GET sys/seal with the status 403");
    expect(asked()).toEqual(["sys/seal", "auth/token/lookup-self"]);
    nowMs += 1;
    await expect(read(client, "sys/seal")).rejects.toThrow("GET sys/seal with the status 403");
    expect(asked()).toEqual(["sys/seal", "auth/approle/login", "sys/seal"]);
  });

  it("that an operator gave and Vault does not renew is used to its end", async () => {
    const client = clientWith({ signIn: { case: "token", value: server.createToken(false) } });
    await read(client);
    nowMs += 19 * minuteMs;
    expect(await read(client)).toMatchObject(secret);
    nowMs += minuteMs - 1;
    expect(await read(client)).toMatchObject(secret);
    nowMs += 1;
    await expect(read(client)).rejects.toThrow("Vault answered GET auth/token/lookup-self with the status 403");
  });

  it("is used to its end while Vault cannot renew it", async () => {
    const client = byAppRole();
    await read(client);
    nowMs += 15 * minuteMs;
    server.state.isSealed = true;
    await expect(read(client)).rejects.toThrow("Vault answered GET secret/data/openai with the status 503: Vault is sealed");
    server.state.isSealed = false;
    asked();
    await read(client);
    expect(asked()).toEqual(["auth/token/renew-self", "secret/data/openai"]);
  });
});

describe("a refusal", () => {
  it.each([
    ["secret/data/none", "Vault answered GET secret/data/none with the status 404: there is nothing"],
    ["secret/openai", "with the status 404: Invalid path for a versioned K/V secrets engine."],
    ["sys/seal", "Vault answered GET sys/seal with the status 403: 1 error occurred:"],
  ])("of %s says the path and the cause", async (path, message) => {
    await expect(read(byAppRole(), path)).rejects.toThrow(message);
  });

  it("of a standby says where it leads, and nothing goes there", async () => {
    const active = await startVaultServer();
    try {
      server.state.activeAddress = active.address;
      const client = byAppRole();
      await expect(read(client)).rejects.toThrow(`Vault answered POST auth/approle/login with the status 307: it sends Weir to ${active.address}, as a standby does`);
      expect(active.requests).toEqual([]);
      server.state.activeAddress = undefined;
      expect(await read(client)).toMatchObject(secret);
      server.state.activeAddress = "no address, for ";
      await expect(read(client)).rejects.toThrow("Vault answered GET secret/data/openai with the status 307: it sends Weir to another address");
    } finally {
      await active.stop();
    }
  });

  it("to connect says so, and is over when Vault is back", async () => {
    const client = byAppRole();
    await server.goDown();
    await expect(read(client)).rejects.toThrow(/^Weir could not sign in[.] Vault gave no answer to POST auth\/approle\/login: .*ECONNREFUSED/);
    await server.comeBack();
    expect(await read(client)).toMatchObject(secret);
  });
});
