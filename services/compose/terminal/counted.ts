/** Owns a number with its noun, as people write it. */

export function counted(count: bigint, noun: string, nouns = `${noun}s`): string {
  return `${count} ${count === 1n ? noun : nouns}`;
}
