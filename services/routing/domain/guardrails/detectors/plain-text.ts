/** Owns texts in the form in which numbers, addresses and keys are looked for, too: without other widths, spaces, hyphens and digits, and what cannot be seen. */

export interface PlainText {
  readonly text: string;
  /** Where the unit at this offset of it stood. */
  readonly placeOf: (offset: number) => number;
}

/** Undefined where it is the same text. */
export function plainText(text: string): PlainText | undefined {
  if (!odd.test(text)) return undefined;
  // From which offset on, in the plain text, how many units are left out before it.
  const gaps: { readonly from: number; readonly units: number }[] = [];
  let units = 0;
  const shown = text.replace(unseen, (hidden: string, index: number) => {
    units += hidden.length;
    gaps.push({ from: index + hidden.length - units, units });
    return "";
  });
  const placeOf = (offset: number): number => offset + (gaps.findLast(({ from }) => from <= offset)?.units ?? 0);
  return { text: shown.replace(oddUnits, plainUnit), placeOf };
}

const odd = /[\u00a0\u00ad\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u2000-\u2011\u202f\u2060\u2212\u3000\ufeff\uff01-\uff5e]/;
const oddUnits = new RegExp(odd, "g");

/** Stray characters without a width, as pages and chats put them where lines may break; not long rows of them, for which texts would have to be held back. */
const unseen = /(?<![\u00ad\u200b-\u200f\u2060\ufeff])[\u00ad\u200b-\u200f\u2060\ufeff]{1,4}(?![\u00ad\u200b-\u200f\u2060\ufeff])/g;

function plainUnit(unit: string): string {
  const code = unit.charCodeAt(0);
  // Full width: in the order of ASCII.
  if (code >= 0xff01 && code <= 0xff5e) return String.fromCharCode(code - 0xfee0);
  const zero = zeros.find((first) => code >= first && code < first + 10);
  if (zero !== undefined) return String(code - zero);
  if (/[\u00a0\u2000-\u200a\u202f\u3000]/.test(unit)) return " ";
  return /[\u2010\u2011\u2212]/.test(unit) ? "-" : unit;
}

/** Of the digits that Arabic, Persian and Hindi are written with. */
const zeros: readonly number[] = [0x0660, 0x06f0, 0x0966];
