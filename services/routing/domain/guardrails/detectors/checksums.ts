/** Owns the checksums by which numbers are told from other numbers. Each takes the number without what separates its groups. */

/** ISO/IEC 7812-1, annex B: payment cards. */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index++) {
    const digit = digitAt(digits, digits.length - 1 - index);
    const weighted = index % 2 === 0 ? digit : digit * 2;
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return sum % 10 === 0;
}

/** ISO 7064 MOD 97-10 of digits and capital letters: an IBAN whose first four characters went to its end. */
export function remainderOf97(text: string): number {
  let remainder = 0;
  for (const character of text) {
    const value = parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder;
}

/** ISO 7064 MOD 11,10: the German tax id. */
export function passesMod11And10(digits: string): boolean {
  let product = 10;
  for (const character of digits.slice(0, -1)) {
    const sum = (Number(character) + product) % 10 || 10;
    product = (sum * 2) % 11;
  }
  return (11 - product) % 10 === digitAt(digits, digits.length - 1);
}

/** Verhoeff's: the Indian Aadhaar. J. Verhoeff, Error Detecting Decimal Codes, 1969. */
export function passesVerhoeff(digits: string): boolean {
  let check = 0;
  for (let index = 0; index < digits.length; index++) {
    check = dihedral(check, permuted(digitAt(digits, digits.length - 1 - index), index));
  }
  return check === 0;
}

/** The product in the dihedral group of the pentagon. */
function dihedral(left: number, right: number): number {
  if (left < 5) return right < 5 ? (left + right) % 5 : ((left + right - 5) % 5) + 5;
  return right < 5 ? ((left - 5 - right + 5) % 5) + 5 : (left - right + 5) % 5;
}

function permuted(digit: number, times: number): number {
  let result = digit;
  for (let index = times % 8; index > 0; index--) result = Number("1576283094"[result]);
  return result;
}

/** The digits, each times its weight. */
export function weightedSum(digits: string, weights: readonly number[]): number {
  return weights.reduce((sum, weight, index) => sum + weight * digitAt(digits, index), 0);
}

export function digitAt(digits: string, index: number): number {
  return digits.charCodeAt(index) - 48;
}
