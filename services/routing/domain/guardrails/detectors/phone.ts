/** Owns finding phone numbers: international ones of every country, and national ones as the countries below write them. */
import parse, { type CountryCode } from "libphonenumber-js/max";
import { inRuns, type Find } from "./detector.ts";

/** What may be a number: of 7 to 15 digits (ITU-T E.164) in groups. The second alternative is how North America writes, with three groups. */
const candidate = /(?<![\d.,/]|\d[ -])(?:(?:\+|00(?=[1-9]))[ (]?\d[\d ().\u00a0\u2010-\u2015/-]{5,22}\d|\(?[2-9]\d{2}(?:\) ?|[ .-])[2-9]\d{2}[ .-]\d{4}|\(\d{2,5}\)[ -]?\d[\d -]{4,12}\d|0[1-9]\d{0,4}[ /.-]{1,3}\d[\d /.-]{4,12}\d)(?!\d)/g;

/** Whose national numbers are known: those that begin with the trunk prefix 0 or an area in brackets, or have North America's form. */
const nationalFormats: readonly { readonly country: CountryCode; readonly form: RegExp; readonly leastDigits: number; readonly mostDigits: number }[] = [
  { country: "US", form: /^\(?[2-9]\d{2}\D{1,2}\d{3}\D\d{4}$/, leastDigits: 10, mostDigits: 10 },
  { country: "BR", form: /^\(\d{2}\)/, leastDigits: 10, mostDigits: 11 },
  { country: "GB", form: /^\(?0/, leastDigits: 10, mostDigits: 11 },
  { country: "FR", form: /^0[1-9](?:[ .-]\d{2}){4}$/, leastDigits: 10, mostDigits: 10 },
  { country: "DE", form: /^\(?0/, leastDigits: 7, mostDigits: 12 },
  { country: "NL", form: /^\(?0/, leastDigits: 10, mostDigits: 10 },
];

export const phone = inRuns({ label: "PHONE", characters: "0-9+() ./\\u00a0\\u2010-\\u2015-", shortest: 7, longest: 32, find: findNumbers });

function* findNumbers(run: string): Iterable<Find> {
  for (const { 0: match, index } of run.matchAll(candidate)) {
    const length = lengthOfNumber(match);
    if (length > 0) yield { start: index, end: index + length };
  }
}

/** How much of it is a number; 0 when nothing is. What follows a number can look like a group of it, or two. */
function lengthOfNumber(text: string): number {
  let part = text;
  for (let groups = 0; groups < 3; groups++) {
    if (isNumber(part)) return part.length;
    part = part.replace(/\D+\d*$/, "");
  }
  return 0;
}

function isNumber(text: string): boolean {
  const digits = text.replaceAll(/\D/g, "");
  if (digits.length < 7 || digits.length > 17) return false;
  if (text.startsWith("+") || text.startsWith("00")) return parse(`+${digits.replace(/^00/, "")}`)?.isValid() === true;
  // Parsing takes the most time of all, so what cannot be a number of the country is left out first.
  return nationalFormats.some(({ country, form, leastDigits, mostDigits }) => digits.length >= leastDigits && digits.length <= mostDigits && form.test(text) && parse(text, country)?.isValid() === true);
}
