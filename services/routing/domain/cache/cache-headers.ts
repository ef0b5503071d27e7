/** Owns how callers are told whether their reply was in the cache. */
import { isFound, type CacheUse } from "./call-cache.ts";

/** Headers, or metadata of an RPC: where it was, with its age in seconds (RFC 9111, section 5.1); found by meaning, with how near it was. */
export function cacheHeaders(use: CacheUse): Readonly<Record<string, string>> {
  return {
    "x-weir-cache": use.outcome,
    ...(isFound(use) ? { age: String(Math.floor(use.ageMs / 1000)) } : {}),
    ...(use.outcome === "similar" ? { "x-weir-cache-similarity": use.similarity.toFixed(3) } : {}),
  };
}
