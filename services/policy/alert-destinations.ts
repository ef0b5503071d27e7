/** Owns the places to which alerts go, as the configuration has them now, and the way to each. */
import type { Clock } from "#platform/clock.ts";
import { exchangeThroughEgress, exchangeWithPublicHost } from "#platform/egress/egress-exchange.ts";
import type { NatsLink } from "#platform/event-log/nats-link.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { PolicyConfig } from "./config.ts";
import { natsDestination, Undelivered, type AlertDestination } from "./domain/alert-destination.ts";
import type { AlertMessage } from "./domain/alert-message.ts";
import { publishAlert } from "./edge/alert-stream.ts";
import { postAlert } from "./edge/alert-webhook.ts";

export interface AlertDestinationsDependencies {
  readonly config: LiveValue<PolicyConfig>;
  /** Where alerts are published to NATS, too. */
  readonly eventLog?: NatsLink;
  readonly clock: Clock;
}

export class AlertDestinations {
  readonly #dependencies: AlertDestinationsDependencies;

  constructor(dependencies: AlertDestinationsDependencies) {
    this.#dependencies = dependencies;
  }

  get all(): readonly AlertDestination[] {
    const { config, eventLog } = this.#dependencies;
    return [...config.current.alerts.webhooks, ...(eventLog === undefined ? [] : [{ name: natsDestination, organizations: [] }])];
  }

  /** Resolves when the destination has taken it. Throws Undelivered. */
  async send(destination: string, message: AlertMessage, signal: AbortSignal): Promise<void> {
    const { config, eventLog, clock } = this.#dependencies;
    if (destination === natsDestination && eventLog !== undefined) return publishAlert(eventLog, message, signal);
    const webhook = config.current.alerts.webhooks.find(({ name }) => name === destination);
    if (webhook === undefined) throw new Undelivered("the configuration has no destination of this name");
    return postAlert(webhook, message, clock.now(), webhook.privateAddress ? exchangeThroughEgress : exchangeWithPublicHost, signal);
  }
}
