/** Owns the rights at NATS that Weir is shipped with, as tests need them. */
import { readFileSync } from "node:fs";

/** The users of deploy/nats.conf, each with the password `secret`, and more of them. */
export function shippedRights(moreUsers = ""): string {
  const file = readFileSync(new URL("../../deploy/nats.conf", import.meta.url), "utf8");
  const [authorization] = /^authorization \{[^]*^\}$/m.exec(file)!;
  return authorization.replaceAll(/\$[A-Z_]+_PASSWORD/g, "secret").replace("users: [", `users: [\n${moreUsers}`);
}
