/** Owns counts, shares and durations as people read them. */

export function count(value: bigint | number): string {
  return value.toLocaleString("en-US");
}

/** Of what may be large: `12,345`, then `1.2 M`. */
export function shortCount(value: bigint): string {
  if (value < 100_000n) return count(value);
  const [unit, name] = value < 1_000_000n ? [1_000n, "k"] : value < 1_000_000_000n ? [1_000_000n, "M"] : [1_000_000_000n, "G"];
  const tenths = (value * 10n) / unit;
  return tenths < 1_000n ? `${tenths / 10n}.${tenths % 10n} ${name}` : `${count(tenths / 10n)} ${name}`;
}

/** Of tenths of a percent: `3.1 %`. */
export function percent(permille: number): string {
  return permille % 10 === 0 || permille >= 1_000 ? `${Math.floor(permille / 10)} %` : `${(permille / 10).toFixed(1)} %`;
}

/** A dash where it is not known. */
export function milliseconds(value: bigint | undefined): string {
  if (value === undefined) return "–";
  if (value < 1_000n) return `${value} ms`;
  if (value < 60_000n) return `${value / 1_000n}.${(value % 1_000n) / 100n} s`;
  return `${value / 60_000n} min ${(value % 60_000n) / 1_000n} s`;
}
