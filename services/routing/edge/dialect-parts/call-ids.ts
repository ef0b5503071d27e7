/** Owns the ids of tool calls in dialects whose callers may leave them out: a result then belongs to the first open call of its name. */

export class CallIds {
  readonly #open: { readonly name: string; readonly id: string }[] = [];
  #count = 0;

  /** The id of a call. */
  ask(name: string, given: string | undefined): string {
    const id = given ?? `call_${this.#count++}`;
    this.#open.push({ name, id });
    return id;
  }

  /** The id of the call that a result answers; one without a name answers the first open call. */
  answer(name: string | undefined, given: string | undefined): string {
    const index = this.#open.findIndex((call) => (given === undefined ? name === undefined || call.name === name : call.id === given));
    const [call] = index < 0 ? [] : this.#open.splice(index, 1);
    return given ?? call?.id ?? `call_${this.#count++}`;
  }
}
