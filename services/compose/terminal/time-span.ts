/** Owns spans of time as people write them: `90s`, `15m`, `12h`, `30d`. */
import { GatewayError } from "#platform/errors.ts";

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** In milliseconds. Throws INVALID_REQUEST that names the option. */
export function readSpanMs(text: string, option: string): number {
  const [, count = "", unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (unit === "") throw new GatewayError("INVALID_REQUEST", `${option} ${text}: write a number with s, m, h or d behind it, such as 30d.`);
  return Number(count) * unitMs[unit]!;
}
