/** Owns money for the terminal and for files. */

/** Billionths of a dollar as dollars, every digit kept. */
export function dollars(nanos: bigint): string {
  const digits = String(nanos < 0n ? -nanos : nanos).padStart(10, "0");
  const fraction = digits.slice(-9).replace(/0{1,7}$/, "");
  return `${nanos < 0n ? "-" : ""}${digits.slice(0, -9)}.${fraction}`;
}
