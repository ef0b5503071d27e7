/** Owns who a caller is in Weir's words, by what others say of it: the first rule that fits. */
import type { Role } from "#gen/weir/policy/v1/role_pb.ts";

/** What is said of a caller: values, lists of them, and objects of both. */
export type Claims = Readonly<Record<string, unknown>>;

export interface CallerRule {
  /** Claims with the value that each must have, or have among its own. */
  readonly when: readonly (readonly [claim: string, value: string])[];
  /** As all that follows but the role, text, or `{claim}` for the claim's value. */
  readonly organization: string;
  readonly team: string;
  readonly role: Role;
  readonly labels: readonly (readonly [name: string, value: string])[];
}

/** A caller's place; organization and team by name or id. */
export interface CallerPlace {
  readonly organization: string;
  readonly team: string;
  readonly role: Role;
  readonly labels: Readonly<Record<string, string>>;
}

/** In bytes of UTF-8, as in all labels. */
const longestLabel = 256;

/** Undefined when no rule fits. A rule that takes its organization or team from a claim that has not exactly one value does not fit. */
export function placeOf(claims: Claims, rules: readonly CallerRule[]): CallerPlace | undefined {
  for (const rule of rules) {
    if (!rule.when.every(([claim, value]) => valuesOf(claims, claim).includes(value))) continue;
    const organization = fill(rule.organization, claims);
    const team = fill(rule.team, claims);
    if (organization === undefined || team === undefined) continue;
    return { organization, team, role: rule.role, labels: fillLabels(rule.labels, claims) };
  }
  return undefined;
}

/** The claims that the rules look at, by their names in them. */
export function claimsIn(rules: readonly CallerRule[]): readonly string[] {
  return rules.flatMap(({ when, organization, team, labels }) => {
    const templates = [organization, team, ...labels.map(([, template]) => template)];
    return [...when.map(([claim]) => claim), ...templates.flatMap((template) => claimOf(template) ?? [])];
  });
}

/** A label whose claim the caller has not is empty: left out, it would be the caller's to choose with each request. */
function fillLabels(labels: CallerRule["labels"], claims: Claims): Record<string, string> {
  return Object.fromEntries(labels.map(([name, template]) => [name, beginningOf(fill(template, claims) ?? "").replaceAll(/\p{Cc}/gu, " ")]));
}

/** As many whole characters as there is room for. */
function beginningOf(value: string): string {
  const room = new Uint8Array(longestLabel);
  const { read } = new TextEncoder().encodeInto(value, room);
  return value.slice(0, read).toWellFormed();
}

function fill(template: string, claims: Claims): string | undefined {
  const claim = claimOf(template);
  if (claim === undefined) return template;
  const values = valuesOf(claims, claim);
  return values.length === 1 && values[0] !== "" ? values[0] : undefined;
}

function claimOf(template: string): string | undefined {
  return /^\{(.+)\}$/.exec(template)?.[1];
}

/** The claim's values as text; a name with dots is also looked for step by step. */
function valuesOf(claims: Claims, name: string): readonly string[] {
  const value = Object.hasOwn(claims, name) ? claims[name] : name.split(".").reduce<unknown>(memberOf, claims);
  const values = Array.isArray(value) ? (value as unknown[]) : [value];
  return values.filter(isPlain).map(String);
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name) ? (value as Claims)[name] : undefined;
}

function isPlain(value: unknown): value is string | number | boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}
