/** Owns what policy takes from the configuration about the console: who Weir is at the issuer that signs people in. */
import type { Console } from "#gen/weir/config/v1/console_pb.ts";
import { refuseField } from "#platform/config-file/faults.ts";
import { Secret } from "#platform/secrets/secret.ts";
import type { IdentityConfig } from "./identity-config.ts";

/** Weir as a client of an OpenID provider. */
export interface ConsoleClient {
  readonly issuer: string;
  readonly clientId: string;
  /** Undefined for a public client. */
  readonly clientSecret: Secret | undefined;
  /** Where people come back to. */
  readonly redirectUri: string;
  readonly scopes: readonly string[];
  /** As for all tokens of the issuer. */
  readonly clockToleranceMs: number;
}

/** Undefined where people sign in by a key alone. Throws INVALID_REQUEST when nothing says who the people of the issuer are. */
export function readConsoleClient(console: Console | undefined, { issuers }: IdentityConfig): ConsoleClient | undefined {
  if (console === undefined || console.issuer === "") return undefined;
  const { issuer, clientId, clientSecret, origin, scopes } = console;
  const settings = issuers.get(issuer);
  if (settings === undefined) refuseField("console.issuer", `${issuer} is not among identity.issuers, where \`callers\` say who its people are. Add it there.`);
  return {
    issuer,
    clientId,
    clientSecret: clientSecret === "" ? undefined : new Secret(clientSecret),
    redirectUri: `${origin}/console/callback`,
    // OpenID Connect Core 1.0, section 3.1.2.1: without `openid` there would be no token that says who it is.
    scopes: scopes.length === 0 ? ["openid", "profile", "email"] : [...new Set(["openid", ...scopes])],
    clockToleranceMs: settings.clockToleranceMs,
  };
}
