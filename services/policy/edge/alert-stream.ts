/** Owns alerts in NATS: a subject for each organization, and the stream in which they are kept for whoever reads them. */
import { DiscardPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { nanos, RequestError, type NatsConnection } from "@nats-io/transport-node";
import type { NatsLink } from "#platform/event-log/nats-link.ts";
import { Undelivered } from "../domain/alert-destination.ts";
import type { AlertMessage } from "../domain/alert-message.ts";

const timeoutMs = 5_000;

/** Made where no stream takes the subject yet; one that an operator has made in its place is left as it is. */
const stream = {
  name: "WEIR_ALERTS",
  description: "Alerts of Weir's budgets.",
  subjects: ["weir.alert.>"],
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.Old,
  max_age: nanos(30 * 86_400_000),
  max_bytes: 64 * 1_024 * 1_024,
};

/** Resolves when a stream has it; one of the same id that it has taken in the last two minutes it drops. Throws Undelivered. */
export async function publishAlert(link: NatsLink, message: AlertMessage, signal: AbortSignal): Promise<void> {
  try {
    const connection = await link.connected(AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
    await publish(connection, message).catch(async (error: unknown) => {
      if (!isUntaken(error)) throw error;
      const manager = await jetstreamManager(connection, { checkAPI: false, timeout: timeoutMs });
      await manager.streams.add({ ...stream, num_replicas: link.settings.stream.replicas });
      await publish(connection, message);
    });
  } catch (error) {
    throw new Undelivered("NATS did not take it; the log of policy says why", { cause: error });
  }
}

async function publish(connection: NatsConnection, { id, organizationId, body }: AlertMessage): Promise<void> {
  await jetstream(connection).publish(`weir.alert.budget.${organizationId}`, body, { msgID: id, timeout: timeoutMs });
}

/** Nobody answered: no stream has the subject. */
function isUntaken(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof RequestError && error.cause.isNoResponders();
}
