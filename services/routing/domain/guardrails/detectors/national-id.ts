/** Owns finding the numbers by which states know people, one row for each kind. */
import { digitAt, passesMod11And10, passesVerhoeff, weightedSum } from "./checksums.ts";
import { inRuns, type Find } from "./detector.ts";

interface NationalId {
  /** What may be one; groups are told apart by at most one character. */
  readonly form: RegExp;
  /** Whether the letters and digits of it make one. */
  readonly isValid: (text: string) => boolean;
}

const kinds: Readonly<Record<string, NationalId>> = {
  /** Social Security number: no checksum, so only as it is written in groups. Never given out: area 000, 666, 900 and above, group 00, serial 0000 (ssa.gov/employer/randomization.html). */
  "US SSN": { form: /(?<![\w-])(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\w-])/g, isValid: (text) => text !== "078051120" && text !== "219099999" },
  /** National Insurance number: gov.uk, National Insurance Manual NIM39110. */
  "GB NINO": { form: /(?<!\w)(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)/g, isValid: () => true },
  /** Steuerliche Identifikationsnummer, of whose first ten digits one stands two or three times and every other at most once: BZSt. */
  "DE Steuer-ID": { form: /(?<!\w)[1-9]\d(?: ?\d{3}){3}(?!\w)/g, isValid: (digits) => hasOneRepeatedDigit(digits.slice(0, 10)) && passesMod11And10(digits) },
  /** Numéro d'inscription au répertoire: INSEE; 2A and 2B are Corsica. */
  "FR NIR": { form: /(?<!\w)[12][ .]?\d{2}[ .]?(?:0[1-9]|1[0-2]|[2-9]\d)[ .]?(?:\d{2}|2[AB])[ .]?\d{3}[ .]?\d{3}[ .]?\d{2}(?!\w)/g, isValid: isNir },
  /** Documento nacional de identidad, and the number of foreigners: interior.gob.es. */
  "ES DNI": { form: /(?<!\w)(?:\d{8}|\d{2}\.\d{3}\.\d{3})-?[A-Z](?!\w)/g, isValid: hasSpanishLetter },
  "ES NIE": { form: /(?<!\w)[XYZ]-?\d{7}-?[A-Z](?!\w)/g, isValid: (text) => hasSpanishLetter(`${"XYZ".indexOf(text[0]!)}${text.slice(1)}`) },
  /** Codice fiscale: DM 23/12/1976. */
  "IT codice fiscale": { form: /(?<!\w)[A-Z]{6} ?[\dLMNP-V]{2}[A-EHLMPR-T][\dLMNP-V]{2} ?[A-Z][\dLMNP-V]{3}[A-Z](?!\w)/g, isValid: hasItalianLetter },
  /** Burgerservicenummer, with the "elfproef". */
  "NL BSN": { form: /(?<![\w.-])(?:\d{9}|\d{4}[. ]\d{2}[. ]\d{3})(?![\w-]|\.\d)/g, isValid: (digits) => Number(digits) > 10_000_000 && weightedSum(digits, [9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 === 0 },
  /** PESEL, which begins with the date of birth: gov.pl. */
  "PL PESEL": { form: /(?<!\w)\d{2}(?:[02468][1-9]|[13579][0-2])(?:0[1-9]|[12]\d|3[01])\d{5}(?!\w)/g, isValid: (digits) => weightedSum(digits, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]) % 10 === 0 },
  /** Cadastro de Pessoas Físicas: Receita Federal. */
  "BR CPF": { form: /(?<![\w.-])(?:\d{11}|\d{3}\.\d{3}\.\d{3}-\d{2})(?![\w-]|\.\d)/g, isValid: isCpf },
  /** Aadhaar: UIDAI. */
  "IN Aadhaar": { form: /(?<![\w-]|\d )[2-9]\d{3}([ -]?)\d{4}\1\d{4}(?![\w-]| \d)/g, isValid: passesVerhoeff },
};

export const nationalId = inRuns({ label: "NATIONAL_ID", characters: "A-Z0-9 .-", shortest: 9, longest: 32, find: findIds });

function* findIds(run: string): Iterable<Find> {
  const finds = Object.values(kinds).flatMap(({ form, isValid }) => [...run.matchAll(form)].filter(([match]) => isValid(match.replaceAll(/[ .-]/g, ""))));
  for (const { 0: match, index } of finds.sort((left, right) => left.index - right.index)) yield { start: index, end: index + match.length };
}

function hasOneRepeatedDigit(digits: string): boolean {
  const counts = [..."0123456789"].map((digit) => digits.split(digit).length - 1);
  const repeated = counts.filter((count) => count > 1);
  return repeated.length === 1 && repeated[0]! <= 3;
}

function isNir(text: string): boolean {
  const number = text.slice(0, 13).replace("2A", "19").replace("2B", "18");
  return 97 - Number(BigInt(number) % 97n) === Number(text.slice(13));
}

function hasSpanishLetter(text: string): boolean {
  return "TRWAGMYFPDXBNJZSQVHLCKE"[Number(text.slice(0, 8)) % 23] === text[8];
}

const oddValues = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

function hasItalianLetter(text: string): boolean {
  let sum = 0;
  for (let index = 0; index < 15; index++) {
    const code = text.charCodeAt(index);
    const value = code < 58 ? code - 48 : code - 65;
    sum += index % 2 === 0 ? oddValues[value]! : value;
  }
  return String.fromCharCode(65 + (sum % 26)) === text[15];
}

function isCpf(digits: string): boolean {
  if (new Set(digits).size === 1) return false;
  const first = ((weightedSum(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10) % 11) % 10;
  const second = ((weightedSum(digits, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10) % 11) % 10;
  return first === digitAt(digits, 9) && second === digitAt(digits, 10);
}
