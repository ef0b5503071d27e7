/** Owns amounts of money as vendors write them, exactly. */

/** A decimal text, with an exponent or without (`0E-6176` is how a decimal number of 128 bits writes nought), times ten to the power of `places`, rounded half away from zero. Throws RangeError for any other text, and for what is more than can be kept. */
export function scaledDecimal(text: string, places: number): bigint {
  const match = /^([-+]?)([0-9]+)(?:[.]([0-9]*))?(?:[eE]([-+]?[0-9]{1,4}))?$/.exec(text.trim());
  if (match === null) throw new RangeError(`"${text}" is no decimal number.`);
  const [, sign, whole = "", fraction = "", exponent = "0"] = match;
  const shift = Number(exponent) + places - fraction.length;
  const digits = BigInt(whole + fraction);
  const size = shift >= 0 ? digits * 10n ** BigInt(shift) : (digits * 2n + 10n ** BigInt(-shift)) / (2n * 10n ** BigInt(-shift));
  return sign === "-" ? -keepable(size, text) : keepable(size, text);
}

/** The number, which a text said. Throws RangeError where it does not fit into the 64 bits that contracts have for it. */
export function keepable(size: bigint, text: string): bigint {
  if (size >= 2n ** 63n) throw new RangeError(`"${text}" is more than can be kept.`);
  return size;
}
