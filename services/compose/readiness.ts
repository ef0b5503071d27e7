/** Owns how a start tells of its progress to whoever waits for it. */

export interface Readiness {
  /** Not ready, and why. */
  waitsFor(what: string): void;
  isReady(): void;
}
