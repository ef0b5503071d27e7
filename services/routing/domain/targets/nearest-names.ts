/** Owns finding the names a caller may have meant. */

const maximumNames = 3;
// Comparing costs the product of the lengths, and anyone can ask for a model that does not exist.
const maximumCompared = 1_000;

/** Up to three of the names, nearest first; none that differs in more than half of its letters. */
export function nearestNames(wanted: string, names: Iterable<string>): string[] {
  const needle = wanted.toLowerCase().slice(0, 128);
  return [...names]
    .slice(0, maximumCompared)
    .map((name) => ({ name, distance: Math.min(editDistance(needle, name.toLowerCase()), editDistance(needle, withoutProvider(name).toLowerCase())) }))
    .filter(({ name, distance }) => distance <= Math.max(needle.length, withoutProvider(name).length) / 2)
    .sort((left, right) => left.distance - right.distance || (left.name < right.name ? -1 : 1))
    .slice(0, maximumNames)
    .map(({ name }) => name);
}

function withoutProvider(name: string): string {
  return name.slice(name.indexOf("/") + 1);
}

/** Levenshtein's distance: the fewest single letters to insert, remove or replace. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const replace = previous[column - 1]! + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(replace, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[right.length]!;
}
