/** Owns a key that a Vault keeps in its transit engine, by which stored credentials are encrypted. Source: https://developer.hashicorp.com/vault/api-docs/secret/transit */
import { createHash } from "node:crypto";
import type { VaultTransit } from "#gen/weir/config/v1/vault_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Secret } from "#platform/secrets/secret.ts";
import type { KeyWrapping } from "../../domain/credentials/key-wrapping.ts";
import { asObject, asText, type JsonObject } from "../../domain/translation/vendor-json.ts";
import type { VaultClient } from "./vault-client.ts";
import { VaultRefusal } from "./vault-exchange.ts";

export class TransitKey implements KeyWrapping {
  readonly form = 2;
  readonly #settings: VaultTransit;
  readonly #vault: VaultClient;
  readonly #clock: Pick<Clock, "now">;

  constructor(settings: VaultTransit, vault: VaultClient, clock: Pick<Clock, "now">) {
    this.#settings = settings;
    this.#vault = vault;
    this.#clock = clock;
  }

  async wrap(dataKey: Buffer, context: string): Promise<Buffer> {
    return Buffer.from(await this.#ask("encrypt", { plaintext: dataKey.toString("base64"), ...boundTo(context) }, "ciphertext").catch(unavailable));
  }

  async unwrap(wrapped: Buffer, context: string): Promise<Buffer> {
    const plaintext = this.#ask("decrypt", { ciphertext: wrapped.toString(), ...boundTo(context) }, "plaintext");
    return Buffer.from(await plaintext.catch((error: unknown) => (error instanceof VaultRefusal && error.status === 400 ? unreadable(error) : unavailable(error))), "base64");
  }

  /** Such as `v1` of `vault:v1:…`. */
  versionOf(wrapped: Buffer): string {
    return wrapped.toString().split(":", 2)[1] ?? "";
  }

  /** Of a digest, so that the secret stays here. It is another one after the key was rotated. */
  async fingerprint(secret: Secret): Promise<string> {
    const input = createHash("sha256").update(secret.reveal()).digest("base64");
    const hmac = await this.#ask("hmac", { input }, "hmac").catch(unavailable);
    return Buffer.from(hmac.slice(hmac.lastIndexOf(":") + 1), "base64").toString("hex").slice(0, 16);
  }

  async #ask(operation: "encrypt" | "decrypt" | "hmac", body: JsonObject, wanted: string): Promise<string> {
    const { mount, key } = this.#settings;
    const path = `${mount || "transit"}/${operation}/${key}`;
    // Several may wait for it: only its own time ends it.
    const reply = await this.#vault.ask({ method: "POST", path, body }, this.#clock.now(), new AbortController().signal);
    const text = asText(asObject(reply["data"])[wanted]);
    if (text === "") throw new Error(`Vault answered POST ${path} without ${wanted}`);
    return text;
  }
}

/** A key that is derived takes the context, any other one the associated data, and leaves the context alone (sdk/helper/keysutil/policy.go). Before Vault 1.13 only the former binds; the secret itself is bound in any case. */
function boundTo(context: string): JsonObject {
  const bytes = Buffer.from(context).toString("base64");
  return { context: bytes, associated_data: bytes };
}

function unreadable({ message }: VaultRefusal): never {
  throw new Error(message);
}

function unavailable(error: unknown): never {
  const cause = error instanceof Error ? error.message : "unknown";
  throw new GatewayError("DEPENDENCY_UNAVAILABLE", `The key under which credentials are stored cannot be used: ${cause}. Its operator must check vault and vault.transit in weir.yaml.`, { metadata: { dependency: "vault" } });
}
