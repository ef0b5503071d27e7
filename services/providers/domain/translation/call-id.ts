/** Owns ids of tools' calls that a vendor takes: those that another vendor made may hold what it refuses, or be too long for it. */
import { createHash } from "node:crypto";

/** Letters, digits, "_" and "-", which all vendors take. */
export const plainCallId = /^[\w-]+$/;

/** The id itself where it has the form; else one made of it, always the same, so that a call and its result still agree. Nobody else refers to it. */
export function callIdIn(form: RegExp, id: string): string {
  return form.test(id) ? id : `call_${createHash("sha256").update(id).digest("hex").slice(0, 32)}`;
}
