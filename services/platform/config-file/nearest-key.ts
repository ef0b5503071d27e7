/** Owns the guess which key was meant by one that is not known. */

/** The known key nearest to this one, or undefined when none differs in less than half of its letters. */
export function nearestKey(unknown: string, known: readonly string[]): string | undefined {
  // Comparing costs the product of the lengths, and no known key is longer than this.
  const wanted = unknown.slice(0, 64).toLowerCase();
  const ranked = known
    .map((key) => ({ key, distance: editDistance(wanted, key.toLowerCase()) }))
    .filter(({ key, distance }) => distance * 2 < Math.max(wanted.length, key.length))
    .toSorted((left, right) => left.distance - right.distance);
  return ranked[0]?.key;
}

/** Levenshtein's distance: the fewest single letters to insert, remove or replace. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const replaced = previous[column - 1]! + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[right.length]!;
}
