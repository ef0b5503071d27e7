/** Owns ids of tool calls that a server accepts: those that another vendor made may have another form. */
import { createHash } from "node:crypto";
import { callIdIn } from "../../../domain/translation/call-id.ts";
import type { OpenaiQuirks } from "../compatible/quirks.ts";

const nineAlphanumerics = /^[a-zA-Z0-9]{9}$/;
const fortyCharacters = /^.{0,40}$/su;

/** The id itself where it has the form; else one made of it, always the same, so that a call and its result still agree. */
export function toolCallIdOf(id: string, { toolCallIdForm }: OpenaiQuirks): string {
  if (toolCallIdForm === "any" || nineAlphanumerics.test(id)) return id;
  if (toolCallIdForm === "forty_characters") return callIdIn(fortyCharacters, id);
  // 36^9 is more than 2^46: among the calls of one conversation no two meet.
  return createHash("sha256").update(id).digest().readBigUInt64BE().toString(36).padStart(9, "0").slice(-9);
}
