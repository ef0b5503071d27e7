/** Owns what policy takes from the configuration about callers without a key, with every default. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { CallerRule as CallerRuleMessage, Identity, Issuer } from "#gen/weir/config/v1/identity_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { refuseField } from "#platform/config-file/faults.ts";
import type { CallerRule } from "./domain/caller-rules.ts";

export interface IdentityConfig {
  /** By the name that they have in `iss`. */
  readonly issuers: ReadonlyMap<string, IssuerSettings>;
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

/** Throws INVALID_REQUEST when an issuer is there twice. */
export function readIdentityConfig(identity: Identity | undefined): IdentityConfig {
  const issuers = new Map<string, IssuerSettings>();
  for (const message of identity?.issuers ?? []) {
    if (issuers.has(message.issuer)) refuseField("identity.issuers", `${message.issuer} is there twice. Give it once, with the audiences and callers of both.`);
    issuers.set(message.issuer, readIssuer(message));
  }
  return { issuers, certificates: identity?.certificates.map(readCallerRule) ?? [] };
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
