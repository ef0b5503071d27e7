/** Owns finding, among the replies of one frame, the one whose text is nearest in meaning: each is compared, and there are only so many. */
import type { Meaning } from "../domain/cache/meaning.ts";
import { similarityOf } from "../domain/cache/similarity.ts";

export interface Nearest {
  readonly key: string;
  readonly similarity: number;
}

interface Item {
  readonly key: string;
  readonly meaning: Meaning;
  readonly sinceMs: number;
}

/** In the vectors of one frame: 1,000 of 1,536 each, which are compared in about two milliseconds. */
export const maximumNumbers = 1_536_000;

export class SimilarityIndex {
  /** The items of each frame, oldest first. */
  readonly #frames = new Map<string, Item[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Where a frame becomes too large, its oldest are found no more. */
  add(frame: string, key: string, meaning: Meaning, sinceMs: number): void {
    const items = this.#frames.get(frame) ?? [];
    this.#frames.set(frame, items);
    items.push({ key, meaning, sinceMs });
    this.#size++;
    let numbers = items.reduce((sum, item) => sum + item.meaning.vector.length, 0);
    while (numbers > maximumNumbers) {
      numbers -= items.shift()!.meaning.vector.length;
      this.#size--;
    }
  }

  remove(frame: string, key: string): void {
    const items = this.#frames.get(frame) ?? [];
    const place = items.findIndex((item) => item.key === key);
    if (place < 0) return;
    items.splice(place, 1);
    this.#size--;
    if (items.length === 0) this.#frames.delete(frame);
  }

  /** Whether something younger than this can be found. */
  holds(frame: string, sinceMs: number): boolean {
    return this.#frames.get(frame)?.some((item) => item.sinceMs > sinceMs) === true;
  }

  /** Of those that are younger than this, the newest of the nearest; undefined where none comes as near as `minimum`. */
  nearest(frame: string, { space, vector }: Meaning, minimum: number, sinceMs: number): Nearest | undefined {
    let nearest: Nearest | undefined;
    for (const { key, meaning, sinceMs: since } of this.#frames.get(frame) ?? []) {
      if (since <= sinceMs || meaning.space !== space || meaning.vector.length !== vector.length) continue;
      const similarity = similarityOf(meaning.vector, vector);
      if (similarity >= (nearest?.similarity ?? minimum)) nearest = { key, similarity };
    }
    return nearest;
  }
}
