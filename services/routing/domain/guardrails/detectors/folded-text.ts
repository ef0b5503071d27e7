/** Owns texts in the form in which phrases are compared: without case, accents, widths and what cannot be seen. */

export interface FoldedText {
  readonly text: string;
  /** Where each unit of it stood. */
  readonly places: readonly number[];
}

export function foldedText(text: string): FoldedText {
  let folded = "";
  const places: number[] = [];
  for (let index = 0; index < text.length; index++) {
    const units = foldedUnits(text.charCodeAt(index));
    folded += units;
    for (let count = units.length; count > 0; count--) places.push(index);
  }
  return { text: folded, places };
}

// What each unit becomes, once it was asked for: taking a character apart takes as long as all else of a word.
const known: (string | undefined)[] = Array.from({ length: 65_536 }, () => undefined);

function foldedUnits(code: number): string {
  return (known[code] ??= folded(String.fromCharCode(code)));
}

function folded(unit: string): string {
  // Syllables of Hangul are compared as they are.
  if (unit >= "가" && unit <= "힣") return unit;
  const parts = [...unit.normalize("NFKD").toLowerCase()];
  return parts.map((part) => (ignored.test(part) ? "" : (letters[part] ?? part))).join("");
}

/** Marks on letters, and what hides between them. */
const ignored = /[\p{M}\u200B-\u200D\u2060-\u2064\uFEFF\u00AD]/u;
/** Letters that Unicode does not take apart. */
const letters: Readonly<Record<string, string>> = { ı: "i", đ: "d", ł: "l" };
