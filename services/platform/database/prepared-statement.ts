/** Owns statements that each connection parses and plans once, instead of each time: worth it for what runs many times a second, with one text. */
import { createHash } from "node:crypto";

export interface PreparedStatement {
  /** By this name connections know it; of its text, so that no two texts share one. */
  readonly name: string;
  readonly text: string;
}

/**
 * Name each column that it returns: PostgreSQL refuses to go on with a statement whose columns a newer version's migration has changed.
 */
export function preparedStatement(text: string): PreparedStatement {
  return { name: createHash("sha256").update(text).digest("base64url"), text };
}
