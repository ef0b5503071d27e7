/** Owns how calls and their results are known by the place of the call among all calls, whatever ids they have. */
import type { Part, Wanted } from "./exchange.ts";

export function withCallsByPlace(wanted: Wanted): Wanted {
  const ids = wanted.turns.flatMap(({ parts }) => parts.flatMap((part) => ("call" in part ? [part.call.id] : [])));
  const rename = (part: Part): Part => {
    if ("call" in part) return { call: { ...part.call, id: String(ids.indexOf(part.call.id)) } };
    return "result" in part ? { result: { ...part.result, id: String(ids.indexOf(part.result.id)) } } : part;
  };
  return { ...wanted, turns: wanted.turns.map(({ role, parts }) => ({ role, parts: parts.map(rename) })) };
}
