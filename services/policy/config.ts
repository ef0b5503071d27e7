/** Owns what policy takes from the configuration, with every default. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Config } from "#gen/weir/config/v1/config_pb.ts";
import type { CallerRule as CallerRuleMessage, Issuer } from "#gen/weir/config/v1/identity_pb.ts";
import type { GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { Role } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { compilePattern } from "#platform/linear-pattern.ts";
import type { CallerRule } from "./domain/caller-rules.ts";

export interface PolicyConfig {
  /** By the name that they have in `iss`. */
  readonly issuers: ReadonlyMap<string, IssuerSettings>;
  readonly guardrails: readonly GuardrailRule[];
  /** Who callers with a certificate are. */
  readonly certificates: readonly CallerRule[];
}

/** An issuer whose tokens are taken. */
export interface IssuerSettings {
  readonly issuer: string;
  readonly audiences: readonly string[];
  /** Where its keys are; empty where discovery tells. */
  readonly jwksUri: string;
  readonly algorithms: readonly string[];
  readonly clockToleranceMs: number;
  readonly callers: readonly CallerRule[];
}

const allAlgorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];

const roles: Readonly<Record<string, Role>> = {
  "": Role.INFERENCE,
  inference: Role.INFERENCE,
  developer: Role.DEVELOPER,
  auditor: Role.AUDITOR,
  billing: Role.BILLING,
  admin: Role.ADMIN,
  owner: Role.OWNER,
  "installation-admin": Role.INSTALLATION_ADMIN,
};

/** Throws INVALID_REQUEST when an issuer, or the name of a rule, is there twice, or a pattern cannot be compiled. */
export function readPolicyConfig({ identity, guardrails }: Config): PolicyConfig {
  checkNames("guardrails", guardrails);
  for (const { patterns } of guardrails) for (const pattern of patterns) compilePattern(pattern);
  const issuers = new Map<string, IssuerSettings>();
  for (const message of identity?.issuers ?? []) {
    if (issuers.has(message.issuer)) throw new GatewayError("INVALID_REQUEST", `identity.issuers: ${message.issuer} is there twice. Give it once, with the audiences and callers of both.`);
    issuers.set(message.issuer, readIssuer(message));
  }
  return { issuers, certificates: identity?.certificates.map(readCallerRule) ?? [], guardrails };
}

function readIssuer({ issuer, audiences, jwksUri, algorithms, clockTolerance, callers }: Issuer): IssuerSettings {
  return {
    issuer,
    audiences,
    jwksUri,
    algorithms: algorithms.length === 0 ? allAlgorithms : algorithms,
    clockToleranceMs: clockTolerance === undefined ? 30_000 : durationMs(clockTolerance),
    callers: callers.map(readCallerRule),
  };
}

function readCallerRule({ when, organization, team, role, labels }: CallerRuleMessage): CallerRule {
  return { when: Object.entries(when), organization, team: team === "" ? "default" : team, role: roles[role] ?? Role.UNSPECIFIED, labels: Object.entries(labels) };
}

function checkNames(field: string, rules: readonly { readonly name: string }[]): void {
  const names = new Set<string>();
  for (const { name } of rules) {
    if (names.has(name)) throw new GatewayError("INVALID_REQUEST", `${field}: two are called "${name}". Give each a name of its own: it is by the name that people are told which one decided.`);
    names.add(name);
  }
}
