/** Owns finding the numbers of payment cards, by their first digits, lengths, groups and checksum. */
import { passesLuhn } from "./checksums.ts";
import { inRuns, matchesOf } from "./detector.ts";

const grouped = /(?<![\d-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})(?![\d-])/g;

/** The issuers' ranges and lengths: ISO/IEC 7812, and what the networks publish. */
const issuers = [
  { name: "Visa", form: /^4(?:\d{12}|\d{15}|\d{18})$/ },
  { name: "Mastercard", form: /^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)\d*$/, length: 16 },
  { name: "American Express", form: /^3[47]\d{13}$/ },
  { name: "Discover", form: /^(?:6011|64[4-9]|65)\d*$/, length: 16 },
  { name: "JCB", form: /^35(?:2[89]|[3-8])\d*$/, length: 16 },
  { name: "Diners Club", form: /^3(?:0[0-5]|[689])\d*$/, length: 14 },
  { name: "UnionPay", form: /^62\d{14,17}$/ },
  { name: "Maestro", form: /^(?:5018|5020|5038|6304|6759|676[1-3])\d{9,15}$/ },
] as const;

export const card = inRuns({ label: "CARD", characters: "0-9 -", shortest: 12, longest: 32, find: (run) => matchesOf(grouped, run, isCard) });

function isCard(match: string): boolean {
  const digits = match.replaceAll(/\D/g, "");
  return issuers.some((issuer) => issuer.form.test(digits) && (!("length" in issuer) || issuer.length === digits.length)) && passesLuhn(digits);
}
