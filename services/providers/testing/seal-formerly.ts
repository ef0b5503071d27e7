/** Owns the form in which secrets were stored before each organization had a data key: under one of their own, wrapped beside them. */
import { createSecretKey, randomBytes } from "node:crypto";
import { seal } from "#platform/secrets/seal.ts";
import type { KeyWrapping } from "../domain/credentials/key-wrapping.ts";

export async function sealFormerly(secret: string, credentialId: string, keys: KeyWrapping): Promise<Buffer> {
  const dataKey = randomBytes(32);
  const wrapped = await keys.wrap(dataKey, credentialId);
  const head = Buffer.from([2, wrapped.length >> 8, wrapped.length & 0xff]);
  return Buffer.concat([head, wrapped, seal(Buffer.from(secret), createSecretKey(dataKey), [credentialId])]);
}
