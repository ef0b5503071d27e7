/** Owns the placeholders of one call: what stands in the place of a text, the same for the same text throughout, and for no other that the call names so already. */

/** In a text, as `for` writes them; no longer than `longestPlaceholder`. */
const written = /\[([A-Z][A-Z0-9_]{0,63})_([1-9][0-9]{0,8})\]/g;

export const longestPlaceholder = 76;

export class Placeholders {
  readonly #byText = new Map<string, string>();
  readonly #counts = new Map<string, number>();
  /** Those that stand in the call's own texts, for others than this call knows. */
  readonly #taken = new Set<string>();

  /** `[EMAIL_1]`, numbered in the order in which texts of this label are asked for. */
  for(label: string, text: string): string {
    const key = `${label} ${text}`;
    let placeholder = this.#byText.get(key);
    if (placeholder === undefined) {
      let number = this.#counts.get(label) ?? 0;
      do placeholder = `[${label}_${++number}]`;
      while (this.#taken.has(placeholder));
      this.#counts.set(label, number);
      this.#byText.set(key, placeholder);
    }
    return placeholder;
  }

  /**
   * Notes the placeholders that a text has, before it is looked at. A model that says one, and a reply that was masked, bring it back in the next call: one
   * that stands for something by then means that; one that does not, means what nobody knows here, and is nobody else's.
   */
  note(text: string): void {
    for (const [placeholder, label, number] of text.matchAll(written)) if (Number(number) > (this.#counts.get(label!) ?? 0)) this.#taken.add(placeholder);
  }
}
