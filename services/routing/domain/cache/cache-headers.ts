/** Owns how callers are told whether their reply was in the cache. */
import type { CacheUse } from "./call-cache.ts";

/** Headers, or metadata of an RPC: with its age in seconds (RFC 9111, section 5.1) where it was. */
export function cacheHeaders(use: CacheUse): Readonly<Record<string, string>> {
  return { "x-weir-cache": use.outcome, ...(use.outcome === "hit" ? { age: String(Math.floor(use.ageMs / 1000)) } : {}) };
}
