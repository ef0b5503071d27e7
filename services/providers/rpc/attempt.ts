/** Owns the Attempt RPC: one request to a vendor, its intent durable before the first byte, its outcome recorded once whatever happens. */
import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { AttemptResult, type AttemptIntent, type AttemptOutcome } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { AttemptEndSchema, AttemptResponseSchema, AttemptStartSchema, type AttemptRequest, type AttemptResponse, type AttemptStart } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { GatewayError, toGatewayError } from "#platform/errors.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { Span, Tracer } from "#platform/tracing/span.ts";
import type { BatchSettlement } from "../batch-settlement.ts";
import { intentOf } from "../domain/attempt-intent.ts";
import { attemptOutcome } from "../domain/attempt-outcome.ts";
import type { VendorBatch } from "../domain/batch.ts";
import type { CredentialSource } from "../domain/credentials/credential-source.ts";
import { findRemoteMedia, withBytes, type RemoteMedia } from "../domain/media/remote-media.ts";
import { planAttempt, type AttemptPlan } from "../domain/plan-attempt.ts";
import { attemptFacts, attemptName } from "../domain/attempt-trace.ts";
import type { SentAttempts } from "../domain/sent-attempts.ts";
import { isEstimate, type Traffic } from "../domain/usage/estimate-usage.ts";
import { noOutput } from "../domain/usage/generated-output.ts";
import type { LiveProvider, LiveProviders } from "../edge/live-providers.ts";
import type { FetchedMedia, MediaFetcher } from "../edge/media-fetcher.ts";
import type { AttemptRecorder } from "../store/attempt-recorder.ts";
import type { BatchAccount } from "../store/made-batches.ts";
import type { TokenCounter } from "../token-counter.ts";
import { isAboutNoModel, refuseLate, refuseOtherAccount, targetIn } from "./attempt-refusals.ts";
import type { RunningAttempt, RunningAttempts } from "./running-attempts.ts";
import { VendorCall, type VendorCallListener } from "./vendor-call.ts";

export interface AttemptParts {
  readonly providers: Pick<LiveProviders, "get">;
  readonly sent: SentAttempts;
  readonly media: MediaFetcher;
  readonly recorder: Pick<AttemptRecorder, "begin" | "checkpoint" | "settle">;
  readonly batches: Pick<BatchSettlement, "expect" | "forget" | "made" | "madeBy" | "seen" | "settleBeforeDeletion">;
  readonly running: RunningAttempts;
  readonly tokens: Pick<TokenCounter, "count">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tracer: LiveValue<Tracer | undefined>;
}

/** How much of a long stream, at most, is not in the journal. */
const checkpointIntervalMs = 5_000;

// Copied for every attempt: protobuf-es takes several times as long to make one.
const emptyEnd = create(AttemptEndSchema);

/** The attempt begins with the first call of `next`; a caller that stops iterating early cancels it. */
export function attempt(parts: AttemptParts, request: AttemptRequest, context: CallContext): AsyncIterable<AttemptResponse> {
  return new Attempt(parts, request, context);
}

interface Waiter {
  resolve(result: IteratorResult<AttemptResponse>): void;
  reject(error: GatewayError): void;
}

/** An iterator by hand rather than an async generator: an arriving chunk resolves the waiting `next` at once. */
class Attempt implements AsyncIterableIterator<AttemptResponse>, VendorCallListener, RunningAttempt {
  readonly #parts: AttemptParts;
  readonly #request: AttemptRequest;
  readonly #context: CallContext;
  readonly #beginMs: number;
  /** Undefined where the call is not recorded. */
  #span: Span | undefined;
  #hasBegun = false;
  #call: VendorCall | undefined;
  // Towards the caller.
  #waiter: Waiter | undefined;
  #startWasSaid = false;
  #endWasSaid = false;
  #failure: GatewayError | undefined;
  #callerGone: GatewayError | undefined;
  #isNoting = false;
  // Towards the hosts of media.
  #fetching: AbortController | undefined;
  #fetched: FetchedMedia | undefined;
  // Towards the ledger.
  #provider: LiveProvider | undefined;
  #plan: AttemptPlan | undefined;
  #intent: AttemptIntent | undefined;
  #checkpointAtMs: number;

  constructor(parts: AttemptParts, request: AttemptRequest, context: CallContext) {
    this.#parts = parts;
    this.#request = request;
    this.#context = context;
    this.#beginMs = parts.clock.monotonicMs();
    this.#checkpointAtMs = this.#beginMs + checkpointIntervalMs;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<AttemptResponse>> {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      if (this.#hasBegun) return this.progressed();
      this.#hasBegun = true;
      void this.#begin();
    });
  }

  return(): Promise<IteratorResult<AttemptResponse>> {
    this.#hasBegun = true;
    this.#cancel(new GatewayError("CANCELLED", "The caller went away."));
    this.#endWasSaid = true;
    return Promise.resolve({ done: true, value: undefined });
  }

  /** The context's signal fires. */
  handleEvent(): void {
    const { reason } = this.#context.signal;
    this.#cancel(reason instanceof GatewayError ? reason : new GatewayError("CANCELLED", "The caller went away."));
  }

  cut(error: GatewayError): void {
    this.#call?.cut(error);
    this.#cancel(error);
  }

  checkpoint(): void {
    const { recorder, clock } = this.#parts;
    if (this.#plan?.stream !== true || this.#call?.reply === undefined || this.#call.isOver || clock.monotonicMs() < this.#checkpointAtMs) return;
    this.#checkpointAtMs = clock.monotonicMs() + checkpointIntervalMs;
    recorder.checkpoint(this.#intent!, this.#outcome(AttemptResult.ORPHANED, undefined));
  }

  #cancel(error: GatewayError): void {
    if (this.#endWasSaid || this.#callerGone !== undefined) return;
    this.#callerGone = error;
    this.#fetching?.abort(error);
    this.#call?.cancel(error);
    this.#fail(error);
  }

  async #begin(): Promise<void> {
    const { trace } = this.#context;
    if (trace !== undefined) this.#span = this.#parts.tracer.current?.begin(attemptName(this.#request, undefined), "client", trace);
    try {
      this.#admit();
      const { adapter } = this.#provider!.config;
      const remote = findRemoteMedia(this.#request, adapter.generate.takenAsBytes);
      // No await where nothing is to be waited for.
      const request = remote.length > 0 && this.#parts.media.isOn ? await this.#withFetched(remote) : this.#request;
      // After the files: while they came, a credential could have come to its end.
      const credentials = this.#provider!.credentials.of(this.#request.attribution?.organizationId ?? "");
      if (this.#request.ownAccount !== undefined) refuseOtherAccount(this.#request.ownAccount, credentials);
      const preparation = credentials.prepare();
      if (preparation !== undefined) await preparation;
      if (this.#callerGone !== undefined) throw this.#callerGone;
      const planned = planAttempt(request, adapter);
      const plan = planned.readOwn === undefined ? planned : await this.#withOwnAlone(planned, planned.readOwn, credentials);
      this.#plan = plan;
      const intent = intentOf(this.#request, plan, this.#provider!.config);
      if (plan.makesBatch === true) await this.#parts.batches.expect(intent, credentials.organizationId);
      if (plan.deletesBatch !== undefined) await this.#parts.batches.settleBeforeDeletion(plan.deletesBatch, this.#account(credentials));
      refuseLate(this.#request, this.#parts.clock.now());
      await this.#parts.recorder.begin(intent);
      this.#intent = intent;
      this.#call = new VendorCall(this.#provider!, credentials, plan, this.#parts.clock, this);
    } catch (error) {
      this.#forgetBatch();
      this.#letGo();
      this.#parts.running.delete(this);
      const failure = toGatewayError(error);
      this.#record(undefined, failure);
      return this.#fail(this.#unbilled(failure));
    }
    if (this.#callerGone !== undefined) return this.ended(AttemptResult.NOT_SENT, this.#callerGone);
    this.#call!.start();
  }

  #admit(): void {
    const { providers, sent, running, clock } = this.#parts;
    const { attemptId, startDeadlineTime, provider, model } = this.#request;
    if (this.#context.signal.aborted) this.handleEvent();
    if (this.#callerGone !== undefined) throw this.#callerGone;
    sent.take(attemptId, startDeadlineTime === undefined ? undefined : timestampMs(startDeadlineTime), clock.now());
    this.#provider = targetIn(providers, provider, isAboutNoModel(this.#request) ? undefined : model);
    running.add(this);
    this.#provider.acquire();
    this.#context.signal.addEventListener("abort", this);
  }

  async #withFetched(remote: readonly RemoteMedia[]): Promise<AttemptRequest> {
    this.#fetching = new AbortController();
    this.#fetched = await this.#parts.media.fetch(remote, this.#fetching.signal);
    if (this.#callerGone !== undefined) throw this.#callerGone;
    return withBytes(this.#request, this.#fetched.bytesOf);
  }

  /** Of what the vendor tells of the whole account. */
  async #withOwnAlone(plan: AttemptPlan, readOwn: NonNullable<AttemptPlan["readOwn"]>, credentials: CredentialSource): Promise<AttemptPlan> {
    const ownIds = await this.#parts.batches.madeBy(this.#request.attribution?.organizationId ?? "", this.#account(credentials));
    return { ...plan, readReply: readOwn(ownIds) };
  }

  #account({ organizationId }: CredentialSource): BatchAccount {
    return { provider: this.#request.provider, credentialOrganizationId: organizationId };
  }

  progressed(): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    const result = this.#endWasSaid ? ({ done: true, value: undefined } as const) : this.#take();
    if (result === undefined && this.#failure === undefined) return;
    this.#waiter = undefined;
    if (result !== undefined) {
      waiter.resolve(result);
      // After the waiter is served: a resumed connection may deliver at once.
      this.#call?.resume();
    } else {
      this.#endWasSaid = true;
      waiter.reject(this.#failure!);
    }
  }

  ended(result: AttemptResult, error: GatewayError | undefined): void {
    this.#letGo();
    const outcome = this.#outcome(result, error);
    this.#settle(outcome);
    this.#record(outcome, error);
    const batch = this.#call?.reply?.summary?.batch;
    if (batch !== undefined) this.#hear(batch);
    if (error === undefined) return this.progressed();
    this.#log(error);
    const isRefused = (this.#call?.httpStatus ?? 0) >= 300;
    if (result !== AttemptResult.NOT_SENT && !isRefused) return this.#fail(error);
    this.#forgetBatch();
    this.#fail(this.#unbilled(error));
  }

  /** Of a batch. Of one that bears no mark, its maker is told when it is noted what the vendor calls it. */
  #hear(batch: VendorBatch): void {
    const { batches } = this.#parts;
    if (this.#plan!.makesBatch !== true || this.#provider!.config.adapter.batches?.mark !== undefined) return batches.seen(batch, this.#account(this.#call!.credentials));
    this.#isNoting = true;
    void batches.made(this.#intent!, batch.id).then(() => {
      this.#isNoting = false;
      this.progressed();
    });
  }

  /** Where texts must be counted for it the journal waits, and nobody else; should the process die meanwhile, the outcome stands with the estimate by bytes. */
  #settle(outcome: AttemptOutcome): void {
    const { recorder, running, tokens, logger } = this.#parts;
    const { countedTexts, estimateUsage } = this.#plan!;
    const settle = (settled: AttemptOutcome): void => {
      recorder.settle(this.#intent!, settled);
      running.delete(this);
    };
    if (countedTexts === undefined || !isEstimate(outcome.usage)) return settle(outcome);
    recorder.checkpoint(this.#intent!, outcome);
    const traffic = this.#traffic();
    void tokens.count(countedTexts(traffic)).then((counted) => {
      if (counted === undefined) logger.info({ attemptId: this.#request.attemptId }, "tokens could not be counted: the estimate is by bytes");
      settle(counted === undefined ? outcome : { ...outcome, usage: estimateUsage(traffic, counted)! });
    });
  }

  #record(outcome: AttemptOutcome | undefined, error: GatewayError | undefined): void {
    const span = this.#span;
    if (span === undefined) return;
    const { clock } = this.#parts;
    const operation = this.#plan?.operation;
    span.rename(attemptName(this.#request, operation));
    span.note(attemptFacts(this.#request, this.#provider?.config, operation, outcome));
    const firstByteAtMs = this.#call?.firstByteAtMs;
    if (firstByteAtMs !== undefined) span.tell("weir.first_byte", {}, clock.now() - (clock.monotonicMs() - firstByteAtMs));
    span.end(error?.reason);
  }

  #traffic(): Traffic {
    const reply = this.#call?.reply;
    return { output: reply?.output ?? noOutput, reported: reply?.summary?.usage };
  }

  #forgetBatch(): void {
    if (this.#plan?.makesBatch === true) this.#parts.batches.forget(this.#request.attemptId);
  }

  /** Tells whoever drew the attempt's bound from a lease that nothing of it is spent; it must agree with what the ledger is told. */
  #unbilled(error: GatewayError): GatewayError {
    if (this.#request.leaseId === "") return error;
    const { reason, message, metadata, retryAfterMs, fieldViolations, cause } = error;
    return new GatewayError(reason, message, { metadata: { ...metadata, billed: "false" }, fieldViolations, cause, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
  }

  /** What is known of it now. */
  #outcome(result: AttemptResult, error: GatewayError | undefined): AttemptOutcome {
    const { clock } = this.#parts;
    const call = this.#call;
    return attemptOutcome({
      result,
      errorReason: error?.reason,
      httpStatus: call?.httpStatus ?? 0,
      upstreamRequestId: this.#upstreamRequestId(),
      serviceTier: call === undefined ? "" : (this.#provider!.config.adapter.serviceTier?.(call.headers) ?? ""),
      summary: call?.reply?.summary,
      complete: call?.reply?.complete ?? false,
      traffic: this.#traffic(),
      estimateUsage: this.#plan!.estimateUsage,
      firstByteMs: call?.firstByteAtMs === undefined ? undefined : call.firstByteAtMs - this.#beginMs,
      durationMs: clock.monotonicMs() - this.#beginMs,
      endTimeMs: clock.now(),
    });
  }

  /** The next message: what has arrived, with the start before it and the end after it. */
  #take(): IteratorResult<AttemptResponse> | undefined {
    if (this.#callerGone !== undefined || this.#isNoting) return undefined;
    const call = this.#call;
    const reply = call?.reply;
    let message = call?.take();
    if (call?.isOver === true && reply?.complete === true) {
      message ??= create(AttemptResponseSchema);
      message.end = { ...emptyEnd };
      if (reply.summary?.usage !== undefined) message.end.usage = reply.summary.usage;
      this.#endWasSaid = true;
    }
    if (message === undefined) return undefined;
    if (!this.#startWasSaid) {
      message.start = this.#start(message);
      this.#startWasSaid = true;
    }
    return { done: false, value: message };
  }

  #start({ native, start: said }: AttemptResponse): AttemptStart {
    const start = create(AttemptStartSchema);
    start.upstreamRequestId = this.#upstreamRequestId();
    const headers = this.#call!.headers;
    start.contentType = said?.contentType ?? headers["content-type"] ?? "";
    start.ownAccount = this.#call!.credentials.organizationId !== "";
    start.warnings = [...this.#plan!.startWarnings];
    const { adapter } = this.#provider!.config;
    for (const name of adapter.forwardedReplyHeaders) {
      const value = headers[name];
      if (value !== undefined) start.headers[name] = value;
    }
    if (native.length === 0) start.rateLimits.push(...(adapter.readRateLimits?.(headers, this.#parts.clock.now()) ?? []));
    return start;
  }

  #upstreamRequestId(): string {
    return this.#call === undefined ? "" : this.#provider!.config.adapter.upstreamRequestId(this.#call.headers);
  }

  #fail(error: GatewayError): void {
    this.#failure ??= error;
    this.progressed();
  }

  #letGo(): void {
    const { running } = this.#parts;
    if (!running.has(this)) return;
    this.#provider!.release();
    this.#fetched?.release();
    this.#context.signal.removeEventListener("abort", this);
  }

  /** Facts alone: a vendor's message may quote the prompt; why a connection failed, the system says, or the proxy. */
  #log(error: GatewayError): void {
    if (this.#callerGone !== undefined) return;
    const { attemptId, requestId, provider, model } = this.#request;
    const facts = { attemptId, requestId, provider, model, reason: error.reason, httpStatus: this.#call?.httpStatus ?? 0 };
    if (error.reason === "INTERNAL") this.#parts.logger.error({ ...facts, error }, "an attempt failed by a defect");
    else this.#parts.logger.info({ ...facts, ...transportFacts(error) }, "an attempt failed");
  }
}

function transportFacts({ reason, cause }: GatewayError): { readonly code?: string | undefined; readonly cause?: string } {
  if (!(cause instanceof Error)) return {};
  const { code } = cause as NodeJS.ErrnoException;
  return reason === "UPSTREAM_UNAVAILABLE" ? { code, cause: cause.message } : { code };
}
