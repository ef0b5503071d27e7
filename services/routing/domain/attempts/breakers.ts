/** Owns which breakers there are: one per target, made when first needed, made anew when their settings change. */
import type { Breaker, BreakerSettings } from "#platform/breaker.ts";

export class Breakers {
  readonly #create: (name: string, settings: BreakerSettings) => Breaker;
  readonly #byName = new Map<string, Breaker>();
  #settings: BreakerSettings;

  constructor(settings: BreakerSettings, create: (name: string, settings: BreakerSettings) => Breaker) {
    this.#settings = settings;
    this.#create = create;
  }

  get(name: string): Breaker {
    let breaker = this.#byName.get(name);
    if (breaker === undefined) {
      breaker = this.#create(name, this.#settings);
      this.#byName.set(name, breaker);
    }
    return breaker;
  }

  /** By target: whether its calls are held back now. */
  get states(): ReadonlyMap<string, boolean> {
    return new Map(this.#byName.entries().map(([name, { isOpen }]) => [name, isOpen]));
  }

  /** Forgets what was learnt when the settings differ from those in force. */
  configure(settings: BreakerSettings): void {
    if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return;
    this.#settings = settings;
    this.shutdown();
  }

  shutdown(): void {
    for (const breaker of this.#byName.values()) breaker.shutdown();
    this.#byName.clear();
  }
}
