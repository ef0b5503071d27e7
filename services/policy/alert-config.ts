/** Owns what policy takes from the configuration about alerts. */
import type { Alerts } from "#gen/weir/config/v1/alerts_pb.ts";
import { inField, refuseRepeated } from "#platform/config-file/faults.ts";
import { refuseForbiddenHost } from "#platform/egress/egress-pool.ts";
import { GatewayError } from "#platform/errors.ts";
import { Secret } from "#platform/secrets/secret.ts";
import type { AlertWebhook } from "./domain/alert-destination.ts";

export interface AlertConfig {
  readonly webhooks: readonly AlertWebhook[];
  /** They are published to NATS, too. */
  readonly nats: boolean;
}

/** Throws INVALID_REQUEST when a name stands twice, or an address is none, or one that must not be dialled. */
export function readAlertConfig(alerts: Alerts | undefined): AlertConfig {
  const webhooks = alerts?.webhooks ?? [];
  refuseRepeated("alerts.webhooks", webhooks.map(({ name }) => name), (name) => `two are called "${name}". Give each a name of its own: by it is told what was delivered.`);
  for (const [index, { url, privateAddress }] of webhooks.entries()) inField(`alerts.webhooks[${index}].url`, () => checkAddress(url, privateAddress));
  return {
    webhooks: webhooks.map(({ name, url, secrets, organizations, privateAddress }) => ({ name, url: new Secret(url), secrets: secrets.map((secret) => new Secret(secret)), organizations, privateAddress })),
    nats: alerts?.nats ?? false,
  };
}

function checkAddress(url: string, privateAddress: boolean): void {
  if (!URL.canParse(url)) throw new GatewayError("INVALID_REQUEST", "this is no address. Write one such as https://hooks.example.com/weir.");
  refuseForbiddenHost(new URL(url).origin, privateAddress);
}
