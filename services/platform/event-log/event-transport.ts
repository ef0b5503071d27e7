/** Owns what a way to the ledger must do, whatever it is: a call to metering, or a broker between. */

export interface EventTransport<Event> {
  /**
   * Hands a batch over and resolves when the ledger has answered, or has been silent for too long. Ids in neither list are handed
   * over again later, as is the whole batch when this rejects; so the same event may come many times, and counts once.
   */
  deliver(events: readonly DeliverableEvent<Event>[], signal: AbortSignal): Promise<DeliveryReceipt>;
}

export interface DeliverableEvent<Event> {
  readonly id: string;
  readonly event: Event;
}

export interface DeliveryReceipt {
  readonly confirmedIds: readonly string[];
  /** What can never be accepted. It is logged and let go: who rejects keeps it (dead letter). */
  readonly rejectedIds: readonly string[];
}
