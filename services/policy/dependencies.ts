/** Owns what policy is made with. */
import type { KeyObject } from "node:crypto";
import type { Clock } from "#platform/clock.ts";
import type { Database } from "#platform/database/database.ts";
import type { Logger } from "#platform/logger.ts";

export interface PolicyDependencies {
  /** Migrated with `migrationsDirectory`; its schema belongs to policy alone. */
  readonly database: Database;
  /** The key under which secrets are digested; another one makes every key unknown. */
  readonly pepper: KeyObject;
  readonly clock: Clock;
  readonly logger: Logger;
}
