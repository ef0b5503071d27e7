/** Owns that work of one kind is done one after the other, so that however many want it, it takes one connection to the database. */

export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** When all that came before is over. */
  take<Outcome>(work: () => Promise<Outcome>): Promise<Outcome> {
    const outcome = this.#last.then(work);
    this.#last = outcome.catch(() => undefined);
    return outcome;
  }
}
