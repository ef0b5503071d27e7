/** Owns what wraps the data keys of stored secrets: a key of the installation, or a service that keeps one and never gives it away. */

export interface KeyWrapping {
  /** Under this context; who unwraps must name the same. */
  wrap(dataKey: Buffer, context: string): Promise<Buffer>;
  /** Rejects when it was not wrapped under this key and context. */
  unwrap(wrapped: Buffer, context: string): Promise<Buffer>;
}
