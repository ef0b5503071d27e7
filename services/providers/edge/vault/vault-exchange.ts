/** Owns one request to a Vault, and what it says where it refuses. Source: https://developer.hashicorp.com/vault/api-docs */
import type { Exchange } from "#platform/egress/egress-exchange.ts";
import type { Secret } from "#platform/secrets/secret.ts";
import { asObject, type JsonObject } from "../../domain/translation/vendor-json.ts";

export interface VaultRequest {
  readonly method: "GET" | "POST";
  /** Without `/v1/` before it. */
  readonly path: string;
  readonly body?: JsonObject;
}

/** Where it goes, and who asks. */
export interface VaultAccess {
  readonly address: string;
  readonly namespace: string;
  readonly exchange: Exchange;
  /** Undefined before Weir has signed in. */
  readonly token?: Secret;
}

/** Vault has answered, and it was no. */
export class VaultRefusal extends Error {
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** How long one answer may take. */
const timeoutMs = 5_000;

/** The JSON of the answer. Throws a VaultRefusal when it is no success, another error when there was no answer; neither quotes a secret. */
export async function askVault({ method, path, body }: VaultRequest, { address, namespace, exchange, token }: VaultAccess, signal: AbortSignal): Promise<JsonObject> {
  const url = `${address.replace(/\/+$/, "")}/v1/${path.split("/").map(encodeURIComponent).join("/")}`;
  const headers = {
    "x-vault-request": "true",
    ...(namespace === "" ? {} : { "x-vault-namespace": namespace }),
    ...(token === undefined ? {} : { "x-vault-token": token.reveal() }),
    ...(body === undefined ? {} : { "content-type": "application/json" }),
  };
  const request = { method, url, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const reply = await exchange(request, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])).catch((error: unknown) => {
    throw new Error(`Vault gave no answer to ${method} ${path}: ${causeOf(error)}`, { cause: error });
  });
  const json = parse(reply.body);
  if (reply.status === 200 || reply.status === 204) return json;
  if (reply.status >= 300 && reply.status <= 399) throw new VaultRefusal(redirected(`Vault answered ${method} ${path} with the status ${reply.status}`, reply.headers["location"]), reply.status);
  // What is wrong with a path is said as a warning.
  const reasons = [json["errors"], json["warnings"]].flat().filter((reason) => typeof reason === "string").join("; ");
  throw new VaultRefusal(`Vault answered ${method} ${path} with the status ${reply.status}: ${reasons === "" ? unexplained(reply.status) : reasons}`, reply.status);
}

function parse(body: Buffer): JsonObject {
  try {
    return asObject(JSON.parse(body.toString()));
  } catch {
    return {};
  }
}

/** Not followed: the token would go to whatever host is named. A standby redirects where it does not forward: https://developer.hashicorp.com/vault/docs/concepts/ha */
function redirected(what: string, location = ""): string {
  const place = URL.canParse(location) ? new URL(location).origin : "another address";
  return `${what}: it sends Weir to ${place}, as a standby does that forwards no requests. Weir follows no redirect: let vault.address lead to the active one (by a load balancer that takes those alone for healthy whose /v1/sys/health has the status 200), or let standbys forward.`;
}

function unexplained(status: number): string {
  return status === 404 ? "there is nothing" : "no reason was given";
}

/** Where every address of a name has failed, the code says more than the text. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  if (error.name === "TimeoutError" || error.name === "AbortError") return "the time was over";
  return error.message === "" && "code" in error ? String(error.code) : error.message;
}
