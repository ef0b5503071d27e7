import { describe, expect, it } from "vitest";
import { Secret } from "#platform/secrets/secret.ts";
import type { StoredSecret } from "./credential-pool.ts";
import { CredentialPools } from "./credential-pools.ts";

describe("the credentials of a provider", () => {
  it("are the organization's own where it has brought some, and the installation's for all others", () => {
    const { pools, shown } = createWorld({ "": ["shared"], org_1: ["own-1"], org_2: ["own-2"] });
    expect([shown("org_1"), shown("org_2"), shown("org_3"), shown("")]).toEqual(["own-1", "own-2", "shared", "shared"]);
    expect(pools.of("org_1").organizationId).toBe("org_1");
    expect(pools.of("org_3")).toBe(pools.of("org_4"));
    expect(pools.of("org_3").organizationId).toBe("");
  });

  it("are never the installation's for an organization with its own, be they refused, limited or turned off", async () => {
    const { pools, lists, shown, secrets } = createWorld({ "": ["shared"], org_1: ["own-1"] });
    pools.of("org_1").refused(secrets.get("own-1")!);
    expect(shown("org_1")).toBe("own-1");
    lists.set("org_1", []);
    await expect(pools.of("org_1").prepare()).rejects.toMatchObject({ reason: "ORGANIZATION_CREDENTIAL_MISSING" });
    lists.delete("org_1");
    expect(shown("org_1")).toBe("shared");
  });

  it("keep their health apart: what the vendor refuses of one owner is nothing to another", () => {
    const { pools, shown, secrets, told } = createWorld({ "": ["shared"], org_1: ["own-1", "own-2"] });
    pools.of("org_1").refused(secrets.get("own-1")!);
    expect([shown("org_1"), shown("org_1"), shown("org_2")]).toEqual(["own-2", "own-2", "shared"]);
    pools.of("org_1").refused(secrets.get("shared")!);
    expect(told).toEqual(["own-1"]);
  });

  it("are what a call was prepared with, though they are removed before it is sent", () => {
    const { pools, lists } = createWorld({ "": ["shared"], org_1: ["own-1"] });
    const prepared = pools.of("org_1");
    expect(prepared.prepare()).toBeUndefined();
    lists.delete("org_1");
    expect(prepared.choose()!.reveal()).toBe("own-1");
  });

  it("are refused to an organization that must bring its own and has not, with what to do", () => {
    const { pools, shown } = createWorld({ "": ["shared"], org_1: ["own-1"] }, true);
    expect(shown("org_1")).toBe("own-1");
    expect(() => pools.of("org_2")).toThrow(expect.objectContaining({ reason: "ORGANIZATION_CREDENTIAL_MISSING", message: expect.stringContaining("weir credentials add main") as string }));
    expect(pools.ownedBy("org_2")).toBeUndefined();
  });
});

function createWorld(owners: Readonly<Record<string, readonly string[]>>, onlyOrganizations = false) {
  const secrets = new Map(Object.values(owners).flat().map((name) => [name, new Secret(name)]));
  const stored = (name: string): StoredSecret => ({ credentialId: name, secret: secrets.get(name)!, weight: 1, formerUntilMs: undefined, refusedAtMs: undefined });
  const lists = new Map(Object.entries(owners).map(([owner, names]) => [owner, names.map(stored)]));
  const told: string[] = [];
  const pools = new CredentialPools({
    provider: "main",
    configured: undefined,
    onlyOrganizations,
    stored: { of: (_, organizationId) => lists.get(organizationId), refused: ({ credentialId }) => told.push(credentialId), accepted: () => undefined },
    clock: { now: () => 1, monotonicMs: () => 1 },
  });
  return { pools, lists, secrets, told, shown: (organizationId: string) => pools.of(organizationId).choose()!.reveal() };
}
