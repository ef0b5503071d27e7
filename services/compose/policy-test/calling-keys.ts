/** Owns the keys that people name for calls: by id, by name, or by the member whose they are. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type { Key } from "#gen/weir/policy/v1/key_pb.ts";
import type { Member } from "#gen/weir/policy/v1/member_pb.ts";
import type { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { everyPage } from "../terminal/every-page.ts";

export class CallingKeys {
  readonly #policy: Client<typeof PolicyService>;
  /** Asked for once. */
  #keys: Promise<Key[]> | undefined;
  #members: Promise<Member[]> | undefined;

  constructor(policy: Client<typeof PolicyService>) {
    this.#policy = policy;
  }

  /** Empty for the key of the command itself. Throws NOT_FOUND, and INVALID_REQUEST for a name that several keys have. */
  async idOf({ key, member }: { readonly key: string; readonly member: string }): Promise<string> {
    if (member !== "") return this.#idOfMember(member);
    return key === "" || key.startsWith("key_") ? key : this.#idOfName(key);
  }

  async #idOfName(name: string): Promise<string> {
    const named = (await this.#allKeys()).filter((key) => key.name === name);
    // Of keys of one name, those that ended do not count.
    const found = named.length > 1 ? named.filter(isValid) : named;
    if (found.length === 1) return found[0]!.id;
    if (found.length === 0) throw new GatewayError("NOT_FOUND", `There is no key called "${name}"; \`weir keys list\` shows those there are.`);
    throw new GatewayError("INVALID_REQUEST", `${found.length} keys are called "${name}"; name one by its id: ${found.map(({ id }) => id).join(", ")}.`);
  }

  async #idOfMember(email: string): Promise<string> {
    this.#members ??= everyPage((page) => this.#policy.listMembers(page), (page) => page.members);
    const ids = new Set((await this.#members).filter((member) => member.email === email).map(({ id }) => id));
    // The newest stand first.
    const key = (await this.#allKeys()).find((one) => ids.has(one.memberId) && isValid(one));
    if (key === undefined) throw new GatewayError("NOT_FOUND", `There is no member ${email} with a valid key; \`weir keys create --member\` makes one.`);
    return key.id;
  }

  #allKeys(): Promise<Key[]> {
    return (this.#keys ??= everyPage((page) => this.#policy.listKeys(page), (page) => page.keys));
  }
}

function isValid({ revokeTime, expireTime }: Key): boolean {
  return revokeTime === undefined && (expireTime === undefined || timestampMs(expireTime) > Date.now());
}
