/** Owns what a session keeps of what an issuer says of its person: who that is, and what the rules look at. */
import { GatewayError } from "#platform/errors.ts";
import { claimsIn, type CallerRule, type Claims } from "./caller-rules.ts";

const ofThePerson = ["iss", "sub", "exp", "email", "name"];

/** As much as a token may have with which its caller comes itself. */
const mostBytes = 16 * 1024;

/** What the rules look at stands there also where nothing is said of it. Throws TOKEN_INVALID for more than a session keeps. */
export function keptClaims(claims: Claims, rules: readonly CallerRule[]): Claims {
  const told = ofThePerson.filter((name) => Object.hasOwn(claims, name));
  const looked = claimsIn(rules).map((name) => (Object.hasOwn(claims, name) ? name : outerOf(name)));
  const kept = Object.fromEntries([...told, ...looked].map((name) => [name, Object.hasOwn(claims, name) ? claims[name] : null]));
  const bytes = Buffer.byteLength(JSON.stringify(kept));
  if (bytes <= mostBytes) return kept;
  throw new GatewayError("TOKEN_INVALID", `What the ID token says of you takes ${bytes} bytes, and a session keeps ${mostBytes}. Have the issuer put less into the claims that identity.issuers looks at, such as the groups of this application alone.`);
}

/** False where the rules have come to look at what was not kept. */
export function keepsAllOf(kept: Claims, rules: readonly CallerRule[]): boolean {
  return claimsIn(rules).every((name) => Object.hasOwn(kept, name) || Object.hasOwn(kept, outerOf(name)));
}

/** Of a claim inside of others, the outermost. */
function outerOf(name: string): string {
  return name.split(".", 1)[0]!;
}
