/** Owns opaque ids: a prefix that says the kind, the time of birth, and 80 random bits. */
import { randomFillSync } from "node:crypto";
import type { Clock } from "./clock.ts";

export type IdPrefix = "org" | "team" | "mem" | "key" | "req" | "att" | "pri" | "jrn" | "grd" | "rlm" | "cred" | "bud" | "lea" | "hld" | "ses";

// Crockford's base 32: sorts like the bits do, and no letter is mistaken for a digit.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
const timeLength = 10;
const randomLength = 16;

// One call to the generator serves many ids.
const pool = new Uint8Array(randomLength * 256);
let poolOffset = pool.length;

/** A new id such as `att_06c2v9…`; ids of one kind sort by their time of birth. */
export function newId(prefix: IdPrefix, clock: Clock): string {
  if (poolOffset === pool.length) {
    randomFillSync(pool);
    poolOffset = 0;
  }
  let random = "";
  for (const end = poolOffset + randomLength; poolOffset < end; poolOffset++) random += alphabet[pool[poolOffset]! & 31];
  return `${prefix}_${encodeTime(clock.now())}${random}`;
}

/** The time of birth in milliseconds since 1970, or undefined when the text is not such an id. */
export function timeOfId(id: string): number | undefined {
  const start = id.indexOf("_") + 1;
  if (start === 0 || id.length !== start + timeLength + randomLength) return undefined;
  let time = 0;
  for (let index = start; index < start + timeLength; index++) {
    const digit = alphabet.indexOf(id[index]!);
    if (digit < 0) return undefined;
    time = time * 32 + digit;
  }
  return time;
}

function encodeTime(time: number): string {
  let text = "";
  for (let rest = Math.floor(time), index = 0; index < timeLength; index++) {
    text = alphabet[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
