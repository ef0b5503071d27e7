/** Owns what callers may say of the cache by `Cache-Control` (RFC 9111, section 5.2.1). */

export interface CacheControl {
  /** False where the reply is to be a new one. */
  readonly mayFind: boolean;
  /** False where nothing of the call may be kept; then nothing is looked up either. */
  readonly mayKeep: boolean;
  /** How old a reply may be. */
  readonly maximumAgeMs: number;
}

/** Directives that say nothing to Weir are passed over, as are ages that are no number. */
export function readCacheControl(header: string): CacheControl {
  if (header === "") return asConfigured;
  const directives = header.toLowerCase().split(",").map((directive) => directive.trim());
  const mayKeep = !directives.includes("no-store");
  const ages = directives.flatMap((directive) => /^max-age="?([0-9]{1,10})"?$/.exec(directive)?.[1] ?? []);
  return { mayKeep, mayFind: mayKeep && !directives.includes("no-cache"), maximumAgeMs: Math.min(Infinity, ...ages.map((seconds) => Number(seconds) * 1_000)) };
}

const asConfigured: CacheControl = { mayFind: true, mayKeep: true, maximumAgeMs: Infinity };
