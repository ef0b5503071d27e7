import { describe, expect, it } from "vitest";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { placeOf, type CallerRule, type Claims } from "./caller-rules.ts";

const rule = (changes: Partial<CallerRule> = {}): CallerRule => ({ when: [], organization: "acme", team: "default", role: Role.INFERENCE, labels: [], ...changes });

describe("a caller", () => {
  it("has the place of the first rule that fits", () => {
    const rules = [rule({ when: [["groups", "admins"]], role: Role.ADMIN }), rule({ when: [["groups", "staff"]], team: "research" }), rule({ organization: "guests" })];
    expect(placeOf({ groups: ["staff", "admins"] }, rules)).toMatchObject({ role: Role.ADMIN });
    expect(placeOf({ groups: "staff" }, rules)).toMatchObject({ team: "research", role: Role.INFERENCE });
    expect(placeOf({}, rules)).toMatchObject({ organization: "guests" });
  });

  it("has no place without a rule", () => {
    expect(placeOf({ groups: ["staff"] }, [])).toBeUndefined();
    expect(placeOf({ groups: ["staff"] }, [rule({ when: [["groups", "staff"], ["tenant", "acme"]] })])).toBeUndefined();
  });

  it("is known by claims with dots in their names, by those inside of others, and by what is no text", () => {
    const claims = { "https://acme.example/roles": ["a"], realm_access: { roles: ["b"] }, level: 3, verified: true };
    for (const [claim, value] of [["https://acme.example/roles", "a"], ["realm_access.roles", "b"], ["level", "3"], ["verified", "true"]] as const) {
      expect(placeOf(claims, [rule({ when: [[claim, value]] })])).toBeDefined();
    }
  });

  // Each could be taken for a place that nobody gave.
  it.each<Claims>([{}, { tenant: "" }, { tenant: ["a", "b"] }, { tenant: {} }, { tenant: null }, { tenant: [["acme"]] }])("has no place by a claim that does not say one: %j", (claims) => {
    expect(placeOf(claims, [rule({ organization: "{tenant}" })])).toBeUndefined();
    expect(placeOf(claims, [rule({ team: "{tenant}" })])).toBeUndefined();
  });

  it("is not known by what every object has", () => {
    for (const claim of ["constructor", "__proto__", "toString", "constructor.name"]) expect(placeOf({}, [rule({ organization: `{${claim}}` })])).toBeUndefined();
  });

  it("carries the labels of its claims, bounded and on one line, and empty ones for those it has not", () => {
    const labels = [["department", "{dep}"], ["channel", "jwt"], ["missing", "{none}"]] as const;
    expect(placeOf({ dep: `a\n${"b".repeat(300)}` }, [rule({ labels })])!.labels).toEqual({ department: `a ${"b".repeat(254)}`, channel: "jwt", missing: "" });
    expect(placeOf({ dep: ["physics", "chemistry"] }, [rule({ labels })])!.labels).toMatchObject({ department: "" });
  });

  it("has labels of no more than 256 bytes, cut between characters", () => {
    const labels = [["department", "{dep}"]] as const;
    expect(placeOf({ dep: `a${"é".repeat(200)}` }, [rule({ labels })])!.labels).toEqual({ department: `a${"é".repeat(127)}` });
    expect(placeOf({ dep: `a${"😀".repeat(100)}` }, [rule({ labels })])!.labels).toEqual({ department: `a${"😀".repeat(63)}` });
    expect(placeOf({ dep: "a\ud83d" }, [rule({ labels })])!.labels).toEqual({ department: "a\ufffd" });
  });
});
