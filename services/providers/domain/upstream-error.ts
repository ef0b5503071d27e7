/** Owns what goes wrong between Weir and a vendor, as errors that name the provider and never its address or credential. */
import { GatewayError } from "#platform/errors.ts";
import type { Secret } from "#platform/secrets/secret.ts";

const shortestSecret = 8;

/** How far an attempt had come when its connection failed. */
export type Stage = "connecting" | "waiting" | "reading";

export interface Timeouts {
  readonly connectTimeoutMs: number;
  readonly firstByteTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/** A failed connection as the error it means. */
export function readTransportError(thrown: unknown, stage: Stage, provider: string, timeouts: Timeouts): GatewayError {
  if (thrown instanceof GatewayError) return nameProvider(thrown, provider);
  const code = codeOf(thrown);
  const metadata = { provider };
  if (code === "UND_ERR_CONNECT_TIMEOUT") return connectTimeout(provider, timeouts);
  if (code === "UND_ERR_HEADERS_TIMEOUT") {
    return new GatewayError("UPSTREAM_TIMEOUT", `The provider ${provider} did not begin to answer within ${timeouts.firstByteTimeoutMs} ms.`, {
      metadata: { ...metadata, timeout_ms: String(timeouts.firstByteTimeoutMs) },
    });
  }
  if (code === "UND_ERR_BODY_TIMEOUT") {
    return new GatewayError("UPSTREAM_TIMEOUT", `The provider ${provider} fell silent for ${timeouts.idleTimeoutMs} ms in the middle of its reply.`, {
      metadata: { ...metadata, timeout_ms: String(timeouts.idleTimeoutMs) },
    });
  }
  if (code === "HTTPParserError" || code.startsWith("HPE_") || code === "UND_ERR_HEADERS_OVERFLOW") {
    return new GatewayError("UPSTREAM_PROTOCOL", `The provider ${provider} sent what is not HTTP/1.1 (${code}).`, { metadata, cause: thrown });
  }
  if (stage === "connecting") {
    return new GatewayError("UPSTREAM_UNAVAILABLE", `The provider ${provider} could not be reached (${code}); check its base_url and the network.`, {
      metadata,
      cause: thrown,
    });
  }
  if (stage === "waiting") {
    return new GatewayError("UPSTREAM_UNAVAILABLE", `The provider ${provider} closed the connection without an answer (${code}).`, { metadata, cause: thrown });
  }
  return interrupted(provider, thrown);
}

export function connectTimeout(provider: string, { connectTimeoutMs }: Timeouts): GatewayError {
  return new GatewayError(
    "UPSTREAM_TIMEOUT",
    `No connection to the provider ${provider} within ${connectTimeoutMs} ms: it cannot be reached, or all its connections are busy (max_connections).`,
    { metadata: { provider, timeout_ms: String(connectTimeoutMs) } },
  );
}

/** As the organization hears it whose own credential the vendor refused. */
export function organizationRefused({ metadata }: GatewayError): GatewayError {
  const { provider } = metadata;
  const message = `The vendor refused the credential that your organization has brought for the provider ${provider}. Its owner or an admin checks it with the vendor, and stores another with \`weir credentials rotate\`.`;
  return new GatewayError("ORGANIZATION_CREDENTIAL_REFUSED", message, { metadata });
}

/** The error of an attempt whose credential the vendor did not take, where the next one would carry another. */
export function withAnotherCredential({ reason, message, metadata, retryAfterMs }: GatewayError): GatewayError {
  return new GatewayError(reason, message, { metadata: { ...metadata, another_credential: "true" }, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
}

function interrupted(provider: string, cause?: unknown): GatewayError {
  return new GatewayError("UPSTREAM_INTERRUPTED", `The reply of the provider ${provider} broke off before its end.`, { metadata: { provider }, cause });
}

/** The error with the provider's name among its facts; a credential that the vendor quoted in its words is blotted out. */
export function nameProvider(error: GatewayError, provider: string, credential?: Secret): GatewayError {
  const secrets = secretsOf(credential);
  const blot = (text: string): string => secrets.reduce((rest, secret) => rest.replaceAll(secret, "[credential]"), text);
  const metadata = Object.fromEntries(Object.entries(error.metadata).map(([name, value]) => [name, blot(value)]));
  return new GatewayError(error.reason, blot(error.message), {
    metadata: { ...metadata, provider },
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.reason === "INTERNAL" ? { cause: error.cause } : {}),
  });
}

/** The credential, and the parts of one that has several: of an access key its id, its secret and its token. */
function secretsOf(credential: Secret | undefined): readonly string[] {
  const whole = credential?.reveal() ?? "";
  // Local servers take any word for a credential: one that short is no secret, and stands in every other sentence.
  return [whole, ...whole.split(":")].filter(({ length }) => length >= shortestSecret);
}

function codeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return "unknown cause";
  const { code } = thrown as NodeJS.ErrnoException;
  return code ?? thrown.name;
}
