/** Owns money for the terminal and for files. */
import { GatewayError } from "#platform/errors.ts";

/** Billionths of a dollar as dollars, every digit kept. */
export function dollars(nanos: bigint): string {
  const digits = String(nanos < 0n ? -nanos : nanos).padStart(10, "0");
  const fraction = digits.slice(-9).replace(/0{1,7}$/, "");
  return `${nanos < 0n ? "-" : ""}${digits.slice(0, -9)}.${fraction}`;
}

/** Dollars as people write them, such as 12.50, in billionths. Throws INVALID_REQUEST. */
export function readDollars(text: string): bigint {
  const [, whole, fraction = ""] = /^(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text) ?? [];
  if (whole === undefined) throw new GatewayError("INVALID_REQUEST", `"${text}" is no amount in US dollars: write it as 12.50.`);
  return BigInt(whole + fraction.padEnd(9, "0"));
}
