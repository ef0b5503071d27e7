/**
 * Owns a Vault for tests: a real HTTP server that answers as https://developer.hashicorp.com/vault/api-docs says, as far as Weir asks. What it says of
 * tokens that are not good is from https://developer.hashicorp.com/vault/docs/concepts/tokens#error-responses.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

type Fields = Readonly<Record<string, unknown>>;

export interface SeenVaultRequest {
  readonly method: string;
  /** Without `/v1/`. */
  readonly path: string;
  readonly token: string | undefined;
  readonly namespace: string | undefined;
  readonly body: Fields;
}

/** What tests change while it runs. */
export interface VaultState {
  /** By path: version 1 of the key-value engine is mounted at `kv`, version 2 at `secret`. */
  readonly secrets: Map<string, Fields>;
  /** A key that is lent, by an engine that makes keys at `keys`; each is another one. */
  leaseSeconds: number;
  isSealed: boolean;
  /** Where this one is a standby that forwards nothing: the address of the active one. */
  activeAddress: string | undefined;
  /** How long tokens are good, and how long at most, however often they are renewed. */
  tokenSeconds: number;
  longestTokenSeconds: number;
  /** Tokens that are no good for now. */
  readonly suspended: Set<string>;
  /** Paths for which every token has a policy, by how they begin. */
  allowed: readonly string[];
  /** Of the transit engine, which is mounted at `transit`, by name. */
  readonly transitKeys: Map<string, TransitKeyState>;
  secretId: string;
  serviceAccountToken: string;
  nowMs: () => number;
}

/** Makes such a key. */
export function newTransitKey(isDerived = false): TransitKeyState {
  return { versions: [randomBytes(32)], isDerived, oldestForDecryption: 1 };
}

/** Of the type aes256-gcm96. */
export interface TransitKeyState {
  /** The first is version 1, the last one encrypts. */
  readonly versions: Buffer[];
  readonly isDerived: boolean;
  oldestForDecryption: number;
}

export interface VaultServer {
  readonly address: string;
  readonly state: VaultState;
  readonly requests: readonly SeenVaultRequest[];
  /** A token that an operator has made. */
  createToken(isRenewable?: boolean): string;
  /** No token that was given out is good any more. */
  revokeTokens(): void;
  /** As if the machine were gone. */
  goDown(): Promise<void>;
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly json: Fields;
}

interface Token {
  readonly createdMs: number;
  readonly isRenewable: boolean;
  endsMs: number;
}

export const roleId = "59d6d1ca-47bb-4e7e-a40b-8be3bc5a0ba8";

export async function startVaultServer(tls?: { readonly key: string; readonly cert: string }): Promise<VaultServer> {
  const state: VaultState = {
    secrets: new Map(),
    leaseSeconds: 3600,
    isSealed: false,
    activeAddress: undefined,
    tokenSeconds: 1200,
    longestTokenSeconds: 2_764_800,
    transitKeys: new Map(),
    suspended: new Set(),
    allowed: ["secret/", "kv/", "keys/", "transit/"],
    secretId: "841771dc-11c9-bbc7-bcac-6a3945a69cd9",
    serviceAccountToken: "eyJhbGciOi.service.account",
    nowMs: Date.now,
  };
  const vault = new Vault(state);
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    void text(request).then((body) => {
      const { status, json } = vault.answer(seen(request, body));
      if (state.activeAddress === undefined) response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(json));
      else response.writeHead(307, { location: `${state.activeAddress}${request.url}` }).end();
    });
  };
  const server = tls === undefined ? createServer(onRequest) : createTlsServer(tls, onRequest);
  const listen = (port: number): Promise<void> => new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    address: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    state,
    requests: vault.requests,
    createToken: (isRenewable = true) => vault.createToken(isRenewable),
    revokeTokens: () => vault.revokeTokens(),
    goDown: close,
    comeBack: () => listen(port),
    stop: close,
  };
}

class Vault {
  readonly requests: SeenVaultRequest[] = [];
  readonly #state: VaultState;
  readonly #tokens = new Map<string, Token>();

  constructor(state: VaultState) {
    this.#state = state;
  }

  createToken(isRenewable: boolean): string {
    const name = `hvs.${randomBytes(16).toString("base64url")}`;
    const nowMs = this.#state.nowMs();
    this.#tokens.set(name, { createdMs: nowMs, isRenewable, endsMs: nowMs + this.#state.tokenSeconds * 1000 });
    return name;
  }

  revokeTokens(): void {
    this.#tokens.clear();
  }

  answer(request: SeenVaultRequest): Answer {
    this.requests.push(request);
    if (this.#state.isSealed) return refusal(503, "Vault is sealed");
    if (request.method === "POST" && request.path === "auth/approle/login") return this.#appRoleLogin(request.body);
    if (request.method === "POST" && request.path === "auth/kubernetes/login") return this.#kubernetesLogin(request.body);
    const token = this.#tokens.get(request.token ?? "");
    if (token === undefined || this.#state.suspended.has(request.token!) || token.endsMs <= this.#state.nowMs()) return refusal(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n");
    if (request.method === "GET" && request.path === "auth/token/lookup-self") return { status: 200, json: { data: { id: request.token, expire_time: new Date(token.endsMs).toISOString(), ttl: this.#secondsLeft(token), renewable: token.isRenewable, type: "service" } } };
    if (request.method === "POST" && request.path === "auth/token/renew-self") return this.#renew(request.token!, token);
    if (!this.#state.allowed.some((start) => request.path.startsWith(start))) return refusal(403, "1 error occurred:\n\t* permission denied\n\n");
    if (request.method === "POST" && request.path.startsWith("transit/")) return this.#transit(request.path, request.body);
    return request.method === "GET" ? this.#read(request.path) : refusal(405, "unsupported operation");
  }

  #transit(path: string, body: Fields): Answer {
    const [, operation, name] = path.split("/");
    const key = this.#state.transitKeys.get(name!);
    if (key === undefined) return refusal(400, "encryption key not found");
    const text = (field: string): string => (body[field] as string | undefined) ?? "";
    const associated = Buffer.from(text("associated_data"), "base64");
    const newest = key.versions.length;
    if (operation === "hmac") return data({ hmac: `vault:v${newest}:${createHmac("sha256", Buffer.concat([key.versions[newest - 1]!, Buffer.from("hmac")])).update(Buffer.from(text("input"), "base64")).digest("base64")}` });
    if (key.isDerived && text("context") === "") return refusal(400, "missing 'context' for key derivation; the key was created using a derived key, which means additional, per-request information must be included in order to perform operations with the key");
    // Without derivation the context changes nothing.
    const keyOf = (version: number): Buffer => (key.isDerived ? Buffer.from(hkdfSync("sha256", key.versions[version - 1]!, "", Buffer.from(text("context"), "base64"), 32)) : key.versions[version - 1]!);
    if (operation === "encrypt") {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", keyOf(newest), nonce).setAAD(associated);
      const sealed = Buffer.concat([nonce, cipher.update(text("plaintext"), "base64"), cipher.final(), cipher.getAuthTag()]);
      return data({ ciphertext: `vault:v${newest}:${sealed.toString("base64")}`, key_version: newest });
    }
    const [, version, base64] = /^vault:v(\d+):(.+)$/.exec(text("ciphertext")) ?? [];
    if (version === undefined || Number(version) > newest) return refusal(400, "invalid ciphertext: no prefix");
    if (Number(version) < key.oldestForDecryption) return refusal(400, "ciphertext or signature version is disallowed by policy (too old)");
    try {
      const sealed = Buffer.from(base64!, "base64");
      const decipher = createDecipheriv("aes-256-gcm", keyOf(Number(version)), sealed.subarray(0, 12), { authTagLength: 16 }).setAAD(associated).setAuthTag(sealed.subarray(-16));
      return data({ plaintext: Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]).toString("base64") });
    } catch {
      return refusal(400, "invalid ciphertext: unable to decrypt");
    }
  }

  #appRoleLogin({ role_id, secret_id }: Fields): Answer {
    return role_id === roleId && secret_id === this.#state.secretId ? this.#signedIn() : refusal(400, "invalid role or secret ID");
  }

  #kubernetesLogin({ role, jwt }: Fields): Answer {
    return role === "weir" && jwt === this.#state.serviceAccountToken ? this.#signedIn() : refusal(403, "permission denied");
  }

  #signedIn(): Answer {
    const name = this.createToken(true);
    return authOf(name, this.#state.tokenSeconds);
  }

  #renew(name: string, token: Token): Answer {
    if (!token.isRenewable) return refusal(400, "lease is not renewable");
    const nowMs = this.#state.nowMs();
    token.endsMs = Math.min(nowMs + this.#state.tokenSeconds * 1000, token.createdMs + this.#state.longestTokenSeconds * 1000);
    return authOf(name, this.#secondsLeft(token));
  }

  #secondsLeft({ endsMs }: Token): number {
    return Math.floor((endsMs - this.#state.nowMs()) / 1000);
  }

  #read(path: string): Answer {
    if (path.startsWith("keys/")) return { status: 200, json: { lease_id: `${path}/${randomBytes(8).toString("hex")}`, lease_duration: this.#state.leaseSeconds, renewable: true, data: { api_key: `sk-lent-${randomBytes(4).toString("hex")}` } } };
    const fields = this.#state.secrets.get(path);
    if (path.startsWith("secret/") && !path.startsWith("secret/data/")) return { status: 404, json: { errors: [], warnings: ["Invalid path for a versioned K/V secrets engine."] } };
    if (fields === undefined) return { status: 404, json: { errors: [] } };
    const metadata = { created_time: "2026-11-21T02:24:06.945319214Z", custom_metadata: null, deletion_time: "", destroyed: false, version: 1 };
    return { status: 200, json: { lease_id: "", lease_duration: path.startsWith("kv/") ? 2_764_800 : 0, renewable: false, data: path.startsWith("kv/") ? fields : { data: fields, metadata } } };
  }
}

function seen({ method, url, headers }: IncomingMessage, body: string): SeenVaultRequest {
  const path = decodeURIComponent(url!.replace(/^\/v1\//, ""));
  const header = (name: string): string | undefined => headers[name] as string | undefined;
  return { method: method!, path, token: header("x-vault-token"), namespace: header("x-vault-namespace"), body: body === "" ? {} : (JSON.parse(body) as Fields) };
}

function authOf(name: string, seconds: number): Answer {
  return { status: 200, json: { lease_id: "", data: null, auth: { client_token: name, accessor: "B6oixijqmeR4bsLOJH88Ska9", policies: ["default", "weir"], lease_duration: seconds, renewable: true } } };
}

function data(fields: Fields): Answer {
  return { status: 200, json: { lease_id: "", lease_duration: 0, renewable: false, data: fields } };
}

function refusal(status: number, error: string): Answer {
  return { status, json: { errors: [error] } };
}
