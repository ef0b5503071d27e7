/** Owns what policy is made with. */
import type { Clock } from "#platform/clock.ts";
import type { Database } from "#platform/database/database.ts";
import type { Logger } from "#platform/logger.ts";
import type { Secret } from "#platform/secret.ts";

export interface PolicyDependencies {
  /** Migrated with `migrationsDirectory`; its schema belongs to policy alone. */
  readonly database: Database;
  /** The key under which secrets are digested; another one makes every key unknown. */
  readonly pepper: Secret;
  readonly clock: Clock;
  readonly logger: Logger;
}
