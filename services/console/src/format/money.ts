/** Owns money as people read and write it: billionths of a US dollar, as integers from end to end. */

const nanosPerDollar = 1_000_000_000n;

/** Every digit that is there, and at least cents: `$1,234.5678`. */
export function exactDollars(nanos: bigint): string {
  return write(nanos, 9, 2);
}

/** For files: every digit, and nothing that is no number: `1234.5678`. */
export function plainDollars(nanos: bigint): string {
  return exactDollars(nanos).replaceAll(/[$,]/g, "");
}

/** As many digits as the size deserves: `$1,234.57`, `$0.0312`, `$0.000689`, and where nothing would be left every digit. */
export function dollars(nanos: bigint): string {
  const size = nanos < 0n ? -nanos : nanos;
  if (size >= nanosPerDollar) return write(nanos, 2, 2);
  if (size >= nanosPerDollar / 100n) return write(nanos, 4, 2);
  return size >= 10_000n ? write(nanos, 6, 2) : exactDollars(nanos);
}

/** Of a field for dollars: what `readDollars` reads. Below nine billion, which is what the contract's integers hold; a comma parts thousands and nothing else. */
export const dollarsPattern = String.raw`\$?(\d{1,9}|[1-8]\d{9}|\d{1,3}(,\d{3}){1,2}|[1-8](,\d{3}){3})(\.\d{1,9})?`;

const dollarsForm = new RegExp(`^${dollarsPattern}$`);

/** Dollars as people write them, such as `12.50` or `$1,000`, in billionths; undefined when it is no amount. */
export function readDollars(text: string): bigint | undefined {
  const amount = text.trim();
  if (!dollarsForm.test(amount)) return undefined;
  const [whole = "", fraction = ""] = amount.replaceAll(/[$,]/g, "").split(".");
  return BigInt(whole + fraction.padEnd(9, "0"));
}

/** Of a field that has this pattern. Throws for what it lets through and should not: no amount is not $0, which a budget would refuse all calls by. */
export function readDollarsField(text: string): bigint {
  const nanos = readDollars(text);
  if (nanos === undefined) throw new Error(`"${text}" is no amount of dollars, such as 12.50 or 1,000.`);
  return nanos;
}

/** Tenths of a percent that the part is of the whole; of nothing, 0. */
export function permille(part: bigint, whole: bigint): number {
  return whole <= 0n ? 0 : Number((part * 1_000n) / whole);
}

/** With at most so many decimals, rounded half away from zero, and at least so many. */
function write(nanos: bigint, most: number, least: number): string {
  const unit = 10n ** BigInt(9 - most);
  const size = ((nanos < 0n ? -nanos : nanos) + unit / 2n) / unit;
  const digits = String(size).padStart(most + 1, "0");
  const whole = BigInt(digits.slice(0, -most)).toLocaleString("en-US");
  const fraction = digits.slice(-most);
  const shown = fraction.slice(0, least) + fraction.slice(least).replace(/0+$/, "");
  return `${nanos < 0n ? "-" : ""}$${whole}.${shown}`;
}
