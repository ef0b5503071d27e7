/** Owns temporary access keys for an identity at AWS: what AWS's own tools would find on this machine, or a role assumed with it. */
import type { AwsIdentity } from "#gen/weir/config/v1/provider_pb.ts";
import type { Exchange } from "#platform/egress/egress-exchange.ts";
import { Secret } from "#platform/secrets/secret.ts";
import type { ObtainedCredential } from "../../domain/credentials/credential-source.ts";

/** In AWS's own logs, who used the role. */
const sessionName = "weir";

/**
 * AWS's library goes through our egress to its token service, and by itself to a machine's or container's own metadata, whose address
 * it knows. A new chain each time: so changed files count.
 */
export async function obtainAwsKey({ profile, roleArn, externalId }: AwsIdentity, exchange: Exchange, _nowMs: number, signal: AbortSignal): Promise<ObtainedCredential> {
  // Here and not above: few providers need the library, and it takes a while to load.
  const { fromNodeProviderChain, fromTemporaryCredentials } = await import("@aws-sdk/credential-providers");
  const clientConfig = { requestHandler: handlerThrough(exchange, signal), maxAttempts: 1 };
  const found = fromNodeProviderChain({ clientConfig, ignoreCache: true, ...(profile === undefined ? {} : { profile }) });
  const assumed = (role: string) =>
    fromTemporaryCredentials({
      masterCredentials: found,
      params: { RoleArn: role, RoleSessionName: sessionName, ...(externalId === undefined ? {} : { ExternalId: externalId }) },
      clientConfig,
    });
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = await (roleArn === undefined ? found : assumed(roleArn))();
  // As an operator would write it into api_key.
  const parts = sessionToken === undefined ? [accessKeyId, secretAccessKey] : [accessKeyId, secretAccessKey, sessionToken];
  return { credential: new Secret(parts.join(":")), expiresAtMs: expiration?.getTime() ?? Infinity };
}

/** A request as the library hands it to whoever sends it (HttpRequest of @smithy/types). */
interface AwsRequest {
  readonly method: string;
  /** With a colon. */
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

function handlerThrough(exchange: Exchange, signal: AbortSignal) {
  return {
    async handle({ method, protocol, hostname, port, path, query = {}, headers, body }: AwsRequest) {
      const url = new URL(`${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`);
      for (const [name, value] of Object.entries(query)) for (const each of [value].flat()) url.searchParams.append(name, each ?? "");
      const reply = await exchange({ method, url: url.href, headers, ...(body === undefined ? {} : { body }) }, signal);
      return { response: { statusCode: reply.status, headers: { ...reply.headers }, body: new Uint8Array(reply.body) } };
    },
  };
}
