/** Owns the placeholders that stand for masked texts in one call: the same text has the same one throughout. */

export class Placeholders {
  readonly #byText = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  /** `[EMAIL_1]`, numbered in the order in which texts of this label are asked for. */
  for(label: string, text: string): string {
    const key = `${label} ${text}`;
    let placeholder = this.#byText.get(key);
    if (placeholder === undefined) {
      const number = (this.#counts.get(label) ?? 0) + 1;
      this.#counts.set(label, number);
      placeholder = `[${label}_${number}]`;
      this.#byText.set(key, placeholder);
    }
    return placeholder;
  }
}
