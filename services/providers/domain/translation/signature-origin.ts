/**
 * Owns how a signature of reasoning says which vendor made it: conversations move between vendors, and each refuses what
 * another one signed. Vendors' own signatures are base64, which has no colon, so a word with a colon before one is never theirs.
 */

/** The vendor that is named before the signature; undefined where none is. */
export function originOf(signature: string): string | undefined {
  return /^([a-z_]+):/.exec(signature)?.[1];
}
