/** Owns telling tokens of other issuers (JWT, RFC 7519) from keys, by their form alone. */

/** In characters: a token goes in a header, and headers have a bound. */
const longestIdentityToken = 16_384;
// A signed token's header is a JSON object: its text begins with `{"`.
const form = /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/;

/** Whether this means to be such a token; whether it is one, only policy finds out. */
export function isIdentityToken(credential: string): boolean {
  return credential.startsWith("eyJ") && credential.length <= longestIdentityToken && form.test(credential);
}
