/** Owns finding IBANs, by their country's length and their checksum. */
import { remainderOf97 } from "./checksums.ts";
import { inRuns, type Find } from "./detector.ts";

/** SWIFT's IBAN Registry, release 99: how long each country's are. */
const lengths: Readonly<Record<string, number>> = {
  AD: 24, AE: 23, AL: 28, AT: 20, AZ: 28, BA: 20, BE: 16, BG: 22, BH: 22, BI: 27, BR: 29, BY: 28, CH: 21, CR: 22, CY: 28, CZ: 24, DE: 22, DJ: 27, DK: 18, DO: 28,
  EE: 20, EG: 29, ES: 24, FI: 18, FK: 18, FO: 18, FR: 27, GB: 22, GE: 22, GI: 23, GL: 18, GR: 27, GT: 28, HN: 28, HR: 21, HU: 28, IE: 22, IL: 23, IQ: 23, IS: 26,
  IT: 27, JO: 30, KW: 30, KZ: 20, LB: 28, LC: 32, LI: 21, LT: 20, LU: 20, LV: 21, LY: 25, MC: 27, MD: 24, ME: 22, MK: 19, MN: 20, MR: 27, MT: 31, MU: 30, NI: 28,
  NL: 18, NO: 15, OM: 23, PK: 24, PL: 28, PS: 29, PT: 25, QA: 29, RO: 24, RS: 22, RU: 33, SA: 24, SC: 31, SD: 18, SE: 24, SI: 19, SK: 24, SM: 27, SO: 23, ST: 25,
  SV: 28, TL: 23, TN: 24, TR: 26, UA: 29, VA: 22, VG: 24, XK: 20, YE: 30,
};

const beginning = /(?<![A-Z0-9])([A-Z]{2})\d{2}(?=[ -]?[A-Z0-9])/g;

export const iban = inRuns({ label: "IBAN", characters: "A-Z0-9 -", shortest: 15, longest: 66, find: findIbans });

function* findIbans(run: string): Iterable<Find> {
  for (const { index, 1: country } of run.matchAll(beginning)) {
    const length = lengths[country!];
    const end = length === undefined ? -1 : endOfCharacters(run, index, length);
    if (end < 0) continue;
    const text = run.slice(index, end).replaceAll(/[ -]/g, "");
    if (remainderOf97(text.slice(4) + text.slice(0, 4)) === 1) yield { start: index, end };
  }
}

/** Where so many letters and digits from the start on end, a space or hyphen at most between two of them; -1 where there are fewer, or the last word goes on. */
function endOfCharacters(run: string, start: number, count: number): number {
  let left = count;
  let at = start;
  for (; left > 0 && at < run.length; at++) {
    if (!isSeparator(run[at]!)) left--;
    else if (isSeparator(run[at - 1]!)) return -1;
  }
  return left > 0 || (at < run.length && !isSeparator(run[at]!)) ? -1 : at;
}

function isSeparator(character: string): boolean {
  return character === " " || character === "-";
}
