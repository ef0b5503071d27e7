/** Owns texts in the form in which numbers, addresses and keys are looked for, too: without other widths, spaces, hyphens and digits, and what cannot be seen. */

export interface PlainText {
  readonly text: string;
  /** Where the unit at this offset of it stood. */
  readonly placeOf: (offset: number) => number;
}

/** Undefined where it is the same text. */
export function plainText(text: string): PlainText | undefined {
  if (!odd.test(text)) return undefined;
  let plain = "";
  const places: number[] = [];
  let at = 0;
  for (const { 0: hidden, index } of text.matchAll(unseen)) {
    addUntil(index);
    at = index + hidden.length;
  }
  addUntil(text.length);
  return { text: plain, placeOf: (offset) => places[offset]! };

  function addUntil(end: number): void {
    for (; at < end; at++) {
      plain += plainUnit(text[at]!);
      places.push(at);
    }
  }
}

const odd = /[\u00a0\u00ad\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u2000-\u2011\u202f\u2060\u2212\u3000\ufeff\uff01-\uff5e]/;

/** Stray characters without a width, as pages and chats put them where lines may break; not long rows of them, for which texts would have to be held back. */
const unseen = /(?<![\u00ad\u200b-\u200f\u2060\ufeff])[\u00ad\u200b-\u200f\u2060\ufeff]{1,4}(?![\u00ad\u200b-\u200f\u2060\ufeff])/g;

function plainUnit(unit: string): string {
  const code = unit.charCodeAt(0);
  if (code < 0xa0) return unit;
  // Full width: in the order of ASCII.
  if (code >= 0xff01 && code <= 0xff5e) return String.fromCharCode(code - 0xfee0);
  const zero = zeros.find((first) => code >= first && code < first + 10);
  if (zero !== undefined) return String(code - zero);
  if (/[\u00a0\u2000-\u200a\u202f\u3000]/.test(unit)) return " ";
  return /[\u2010\u2011\u2212]/.test(unit) ? "-" : unit;
}

/** Of the digits that Arabic, Persian and Hindi are written with. */
const zeros: readonly number[] = [0x0660, 0x06f0, 0x0966];
