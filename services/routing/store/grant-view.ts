/** Owns routing's copy of the grants that policy pushes, found by the digest of a secret of the key, by a token of it, by the token or certificate of its caller for whom others vouch, or by a session at the console. */
import { createSecretKey, type KeyObject } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { ResolveGrantRequestSchema, WatchGrantsRequestSchema, type WatchGrantsResponse } from "#gen/weir/policy/v1/grant_watch_pb.ts";
import type { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { Session } from "#gen/weir/policy/v1/session_pb.ts";
import { isToken, readToken } from "#platform/secrets/access-token.ts";
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import { isIdentityToken } from "#platform/secrets/identity-token.ts";
import type { ClientCertificate } from "#platform/http/listener-tls.ts";
import type { Logger } from "#platform/logger.ts";
import { followView } from "#platform/views/pushed-view.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";
import { digestOfSessionSecret } from "#platform/secrets/session-secret.ts";
import { FileIds } from "../domain/account/file-ids.ts";
import { isSession, withdrawalOf, type Credential, type GrantSource, type OnWithdrawn, type OpenGrant, type SessionSecret } from "../domain/admission/admit.ts";
import { narrowedTo } from "../domain/admission/token-grant.ts";
import { openedBy } from "../domain/admission/vouched-grant.ts";
import { endOf, endOfMarkedSecret, secretsOf } from "./opening-secrets.ts";
import { SecretDigests, textOf } from "./secret-digests.ts";
import { UnknownSecrets } from "./unknown-secrets.ts";
import { VouchedCallers } from "./vouched-callers.ts";

export interface GrantViewOptions {
  readonly policy: Pick<ServiceInterface<typeof PolicyService>, "watchGrants" | "resolveGrant">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the following. */
  readonly signal: AbortSignal;
}

const identity = { kind: "service", name: "routing" } as const;

/** One question to policy. */
interface Question {
  /** The digest of a secret, an issuer's token or a certificate, the id of a key, or that with the mark of a secret. */
  readonly id: string;
  readonly request: MessageInitShape<typeof ResolveGrantRequestSchema>;
}

type Questions = Map<string, Promise<unknown>>;

/** A session at the console, and what it opens. */
export interface OpenSession extends OpenGrant {
  readonly session: Session;
}

/** A few of them fit into the second for which strict keys are decided on without. */
const heartbeatIntervalMs = 200;
/** The most questions of one kind that policy is asked at once. */
const mostQuestions = 100;

/** What policy says of a token once it knows. */
const refusalsOfTokens: ReadonlySet<string> = new Set(["TOKEN_INVALID", "TOKEN_EXPIRED", "CALLER_NOT_ALLOWED"]);

export class GrantView implements GrantSource {
  readonly #options: GrantViewOptions;
  readonly #byKey = new Map<string, Grant>();
  readonly #byDigest = new Map<string, OpenGrant>();
  /** Of each grant here, in which turn it was pushed or asked for: the later knows better. */
  readonly #turnOf = new WeakMap<Grant, number>();
  #turn = 0;
  readonly #watchers = new Map<string, Set<OnWithdrawn>>();
  readonly #unknown: UnknownSecrets;
  readonly #vouched: VouchedCallers;
  /** What policy is being asked for, by the question's id. */
  readonly #questions: Questions = new Map();
  /** As above, of tokens of issuers: while one of those hangs, its callers wait, and nobody else with them. */
  readonly #questionsOfTokens: Questions = new Map();
  /** The keys that a snapshot has named which is not complete; undefined while none is coming. */
  #named: Set<string> | undefined;
  readonly #digests = new SecretDigests();
  /** When policy's database was last known to be in reach, on the monotonic clock; undefined for a policy that does not say. */
  #contactMs: number | undefined;
  /** Those who wait to hear of policy. */
  readonly #listeners = new Set<() => void>();

  private constructor(options: GrantViewOptions) {
    this.#options = options;
    this.#unknown = new UnknownSecrets(options.clock);
    this.#vouched = new VouchedCallers(options.clock);
  }

  /** Resolves when the first snapshot is here. */
  static async follow(options: GrantViewOptions): Promise<GrantView> {
    const view = new GrantView(options);
    const { policy, logger, signal } = options;
    await followView({
      name: "grants",
      open: (openSignal) => policy.watchGrants(create(WatchGrantsRequestSchema, { heartbeatInterval: durationFromMs(heartbeatIntervalMs) }), { identity, requestId: "", signal: openSignal }),
      apply: (message) => view.#apply(message),
      logger,
      signal,
    });
    return view;
  }

  get ageMs(): number {
    return this.#contactMs === undefined ? 0 : this.#options.clock.monotonicMs() - this.#contactMs;
  }

  heardWithin(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(finish);
        resolve();
      };
      const timer = setTimeout(finish, waitMs);
      this.#listeners.add(finish);
    });
  }

  /** The ids of an organization's files. */
  fileIds(organizationId: string): FileIds {
    return new FileIds(organizationId, this.#digests.pepper);
  }

  find(credential: Credential, connection?: object): OpenGrant | undefined {
    if (isSession(credential)) return undefined;
    if (typeof credential !== "string") return this.#findVouched(this.#questionOf(credential));
    if (isToken(credential)) return this.#findByToken(credential);
    if (isIdentityToken(credential)) return this.#findVouched(this.#questionOf(credential));
    return this.#byDigest.get(this.#digests.of(credential, connection));
  }

  async resolve(credential: Credential): Promise<OpenGrant> {
    if (isSession(credential)) return this.openSession(credential.sessionSecret);
    const question = this.#questionOf(credential);
    if (!this.#isRefused(question)) await this.#askOnce(question).catch((error: unknown) => this.#keepJudged(question, error));
    const found = this.find(credential);
    if (found !== undefined) return found;
    const refusal = this.#vouched.refusalOf(question.id) ?? this.#refusalOfToken(credential, question);
    if (refusal !== undefined) throw refusal;
    throw new GatewayError("KEY_INVALID", "This key is not known. Check that it belongs to this installation, or have a new one created.");
  }

  /**
   * What a session opens. Policy is asked at each call, since those at the console are few: a session that is ended is good for nothing
   * from then on. Throws SESSION_INVALID, PERMISSION_DENIED, or as tokens do.
   */
  async openSession(secret: string): Promise<OpenSession> {
    const { policy, signal } = this.#options;
    const sessionDigest = digestOfSessionSecret(secret, this.#digests.pepper);
    const { grant, caller, session } = await this.#once(this.#questions, textOf(sessionDigest), () => policy.resolveGrant(create(ResolveGrantRequestSchema, { sessionDigest }), { identity, requestId: "", signal }));
    return { ...openedBy(caller!, grant!), session: session! };
  }

  /** The digest of a key's secret, the only form in which it goes to policy. */
  secretDigestOf(secret: string): Uint8Array {
    return this.#digests.bytesOf(secret);
  }

  /** The grant of a key by its id, however its secrets stand. Throws KEY_INVALID when there is none. */
  async ofKey(keyId: string): Promise<OpenGrant> {
    if (!this.#byKey.has(keyId)) await this.#askOnce({ id: keyId, request: { keyId } });
    const grant = this.#byKey.get(keyId);
    if (grant === undefined) throw new GatewayError("KEY_INVALID", "There is no key of this id.");
    return { grant, endMs: endOf(grant.expireTime) };
  }

  watch(keyId: string, onWithdrawn: OnWithdrawn): () => void {
    const watchers = this.#watchers.get(keyId) ?? new Set();
    this.#watchers.set(keyId, watchers.add(onWithdrawn));
    const grant = this.#byKey.get(keyId);
    const withdrawal = grant && withdrawalOf(grant);
    if (withdrawal !== undefined) onWithdrawn(withdrawal);
    return () => {
      watchers.delete(onWithdrawn);
      if (watchers.size === 0 && this.#watchers.get(keyId) === watchers) this.#watchers.delete(keyId);
    };
  }

  #findByToken(token: string): OpenGrant | undefined {
    const claims = readToken(token, this.#digests.pepper);
    const grant = claims && this.#byKey.get(claims.keyId);
    if (claims === undefined || grant === undefined) return undefined;
    const secretEndMs = endOfMarkedSecret(claims.secretMark, grant);
    return secretEndMs === undefined ? undefined : { grant: narrowedTo(claims, grant), endMs: Math.min(endOf(claims.expireTime), endOf(grant.expireTime), secretEndMs) };
  }

  /** That policy knows the key of the token, and the key not the secret that it had when the token was made. */
  #refusalOfToken(credential: string | ClientCertificate, { id, request }: Question): GatewayError | undefined {
    if (typeof credential !== "string" || !isToken(credential) || !this.#byKey.has(request.keyId!)) return undefined;
    this.#unknown.add(id);
    return new GatewayError("TOKEN_EXPIRED", "The token ended with the secret of its key, in whose place there is another. Have a new token made, by CreateToken.");
  }

  #findVouched(question: Question): OpenGrant | undefined {
    if (this.#vouched.isStale(question.id)) return undefined;
    if (this.#vouched.takeRecheck(question.id)) this.#askOnce(question).catch(() => undefined);
    return this.#vouched.find(question.id, (keyId) => this.#byKey.get(keyId));
  }

  /** While policy cannot tell, what it said before holds. */
  #keepJudged({ id }: Question, error: unknown): void {
    if (!this.#vouched.keep(id)) throw error;
  }

  #isRefused({ id }: Question): boolean {
    return this.#unknown.has(id) || this.#vouched.refusalOf(id) !== undefined;
  }

  /** What policy is to be asked for it. Throws KEY_INVALID for a token that this installation did not sign. */
  #questionOf(credential: Exclude<Credential, SessionSecret>): Question {
    if (typeof credential !== "string") return { id: credential.fingerprint, request: { clientCertificate: credential.bytes } };
    if (isIdentityToken(credential)) return { id: this.#digests.of(credential), request: { identityToken: credential } };
    if (!isToken(credential)) {
      const secretDigest = this.#digests.bytesOf(credential);
      return { id: textOf(secretDigest), request: { secretDigest } };
    }
    const claims = readToken(credential, this.#digests.pepper);
    if (claims === undefined) throw new GatewayError("KEY_INVALID", "This token is not of this installation, or was changed on its way. Have a new one made, by CreateToken.");
    return { id: `${claims.keyId} ${textOf(claims.secretMark)}`, request: { keyId: claims.keyId } };
  }

  #askOnce(question: Question): Promise<void> {
    const questions = question.request.identityToken === undefined ? this.#questions : this.#questionsOfTokens;
    return this.#once(questions, question.id, () => this.#ask(question));
  }

  /** Asks policy, unless it is being asked already; an id stands for one kind of question. */
  async #once<Answer>(questions: Questions, id: string, ask: () => Promise<Answer>): Promise<Answer> {
    let answer = questions.get(id) as Promise<Answer> | undefined;
    if (answer === undefined) {
      if (questions.size >= mostQuestions) throw new GatewayError("OVERLOADED", "Too many keys that are not known are being looked up. Try again soon.", { retryAfterMs: 1_000 });
      answer = ask().finally(() => questions.delete(id));
      questions.set(id, answer);
    }
    return answer;
  }

  async #ask({ id, request }: Question): Promise<void> {
    const { policy, signal } = this.#options;
    const turn = ++this.#turn;
    try {
      const { grant, caller } = await policy.resolveGrant(create(ResolveGrantRequestSchema, request), { identity, requestId: "", signal });
      // What was pushed meanwhile is newer than this answer; what was here before is older, of a key that was rotated just now.
      const known = this.#byKey.get(grant!.keyId);
      if (known === undefined || this.#turnOf.get(known)! < turn) this.#put(grant!, turn);
      if (caller !== undefined) this.#vouched.admit(id, grant!.keyId, caller);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      if (error.reason === "KEY_INVALID") this.#unknown.add(id);
      else if (refusalsOfTokens.has(error.reason)) this.#vouched.refuse(id, error);
      else throw error;
    }
  }

  #apply({ snapshot, snapshotComplete, grants, pepper, databaseAge }: WatchGrantsResponse): void {
    if (databaseAge !== undefined) {
      this.#contactMs = this.#options.clock.monotonicMs() - durationMs(databaseAge);
      for (const listener of this.#listeners) listener();
    }
    if (snapshot) this.#beginSnapshot(createSecretKey(pepper), snapshotComplete === false);
    const turn = ++this.#turn;
    for (const grant of grants) this.#put(grant, turn);
    if (snapshotComplete === true) this.#endSnapshot();
  }

  /** Where more of it comes, what is known of the other keys holds until then: policy may be gone before it has told all. */
  #beginSnapshot(pepper: KeyObject, isLong: boolean): void {
    const keepsOthers = isLong && pepper.equals(this.#digests.pepper);
    if (!keepsOthers) {
      this.#byKey.clear();
      this.#byDigest.clear();
      this.#digests.begin(pepper);
    }
    this.#named = isLong ? new Set() : undefined;
    this.#unknown.clear();
  }

  /** Keys that are there no more are known no more. */
  #endSnapshot(): void {
    const named = this.#named;
    this.#named = undefined;
    if (named === undefined) return;
    for (const [keyId, grant] of this.#byKey) {
      if (named.has(keyId)) continue;
      this.#byKey.delete(keyId);
      for (const { digest } of secretsOf(grant)) this.#byDigest.delete(digest);
    }
  }

  #put(grant: Grant, turn: number): void {
    const former = this.#byKey.get(grant.keyId);
    if (former !== undefined) for (const { digest } of secretsOf(former)) this.#byDigest.delete(digest);
    this.#byKey.set(grant.keyId, grant);
    this.#named?.add(grant.keyId);
    this.#turnOf.set(grant, turn);
    for (const { digest, endMs, opens } of secretsOf(grant)) {
      this.#byDigest.set(digest, { grant: opens, endMs });
      this.#unknown.delete(digest);
    }
    const withdrawal = withdrawalOf(grant);
    if (withdrawal !== undefined) for (const onWithdrawn of this.#watchers.get(grant.keyId) ?? []) onWithdrawn(withdrawal);
  }
}
