/** Owns what the RPCs for stored credentials share. */
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import { Secret } from "#platform/secrets/secret.ts";
import type { ProvidersConfig } from "../config.ts";
import { isSendable } from "../domain/credentials/credential-source.ts";
import type { StoredCredentials } from "../store/stored-credentials.ts";

export interface CredentialParts {
  readonly stored: StoredCredentials;
  readonly config: LiveValue<ProvidersConfig>;
  readonly clock: Clock;
}

/** Throws INVALID_REQUEST when no header carries it. */
export function readSecret(text: string): Secret {
  if (isSendable(text)) return new Secret(text);
  const description = "The secret holds a space, a line break or another character that no HTTP header carries.";
  throw new GatewayError("INVALID_REQUEST", description, { fieldViolations: [{ field: "secret", description }] });
}
