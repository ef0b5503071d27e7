/** Owns what policy is made with. */
import type { KeyObject } from "node:crypto";
import type { Clock } from "#platform/clock.ts";
import type { Database } from "#platform/database/database.ts";
import type { NatsLink } from "#platform/event-log/nats-link.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import type { Registry } from "#platform/metrics.ts";
import type { PolicyConfig } from "./config.ts";
import type { PolicyPeers } from "./peers.ts";

export interface PolicyDependencies {
  /** Migrated with `migrationsDirectory`; its schema belongs to policy alone. */
  readonly database: Database;
  /** The key under which secrets are digested; another one makes every key unknown. */
  readonly pepper: KeyObject;
  readonly config: LiveValue<PolicyConfig>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly peers: PolicyPeers;
  /** Where alerts are published to NATS, too: the link to it. */
  readonly eventLog?: NatsLink;
  readonly metrics: Registry;
}
