/** Owns finding private keys in PEM (RFC 7468), whole or begun. */
import type { Detector, Find } from "./detector.ts";

const marker = "-----BEGIN ";
const ending = "-----END ";
const head = /^-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----/;
const foot = /^-----END [A-Z0-9 ]{0,64}-----/;
const longestLine = 96;
/** What is longer is found up to here: the rest is of no use without it. */
const longest = 16_384;

export const privateKey: Detector = {
  label: "PRIVATE_KEY",
  scan(text, from, isEnd) {
    const finds: Find[] = [];
    for (let at = from; ; ) {
      const start = text.indexOf(marker, at);
      if (start < 0) return { finds, settled: isEnd ? text.length : Math.max(at, text.length - lengthOfBeginning(text)) };
      if (!isEnd && text.length - start < longestLine) return { finds, settled: start };
      const isKey = head.test(text.slice(start, start + longestLine));
      const end = isKey ? endOfKey(text, start, isEnd) : start + marker.length;
      if (end < 0) return { finds, settled: start };
      if (isKey) finds.push({ start, end });
      at = end;
    }
  },
};

/** Where the key that begins here ends; -1 while that is not known. */
function endOfKey(text: string, start: number, isEnd: boolean): number {
  const mostEnd = start + longest;
  const endingStart = text.indexOf(ending, start + marker.length);
  const isWithin = endingStart >= 0 && endingStart < mostEnd - longestLine;
  if (isWithin && (isEnd || text.length - endingStart >= longestLine)) {
    return endingStart + (foot.exec(text.slice(endingStart, endingStart + longestLine))?.[0].length ?? ending.length);
  }
  if (!isWithin && text.length >= mostEnd) return mostEnd;
  return isEnd ? text.length : -1;
}

/** How much of the text's end may be the beginning of the marker. */
function lengthOfBeginning(text: string): number {
  for (let length = marker.length - 1; length > 0; length--) if (text.endsWith(marker.slice(0, length))) return length;
  return 0;
}
