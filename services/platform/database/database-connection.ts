/** Owns how a connection to PostgreSQL is described: plain values, so that they can be handed to another process of Weir. */

export interface DatabaseConnection {
  /** A PostgreSQL URL; stands for all the rest. */
  readonly connectionString?: string;
  /** A host's name, or the folder of a unix socket. */
  readonly host?: string;
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
}
