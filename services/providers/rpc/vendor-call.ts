/** Owns one call to a vendor: sent once, read as it arrives, slowed down by a slow reader, ended exactly once. */
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { EgressController, EgressHandler } from "#platform/egress/egress-pool.ts";
import { GatewayError, toGatewayError } from "#platform/errors.ts";
import { readNested } from "#platform/formats/nesting.ts";
import type { Secret } from "#platform/secrets/secret.ts";
import { ErrorReply } from "../domain/reply/error-reply.ts";
import { credentialFailed, type CredentialSource } from "../domain/credentials/credential-source.ts";
import type { AttemptPlan } from "../domain/plan-attempt.ts";
import { flatHeaders, readRedirect, refuseCompressed, type ReplyHeaders } from "../domain/reply/reply-headers.ts";
import type { ReplyReader } from "../domain/reply/reply-reader.ts";
import { withLengthNoted } from "../domain/length-refusal.ts";
import { connectTimeout, nameProvider, organizationRefused, readTransportError, withAnotherCredential, type Stage } from "../domain/upstream-error.ts";
import type { LiveProvider } from "../edge/live-providers.ts";

export type VendorCallPlan = Pick<AttemptPlan, "vendorRequest" | "readReply" | "makesBatch">;

export interface VendorCallListener {
  /** Something may be there to take. */
  progressed(): void;
  /** The call is over; what it left can still be taken. */
  ended(result: AttemptResult, error: GatewayError | undefined): void;
}

/** How much of a reply waits for a slow caller before the vendor is made to wait too. */
export const maximumWaitingBytes = 256 * 1024;
/** How long a reply without a caller is read on, where the vendor bills it to its end all the same. */
const maximumDrainMs = 60_000;
/** How long a vendor that has said all may take to end its reply; what it still sends meanwhile goes on to the caller. */
const trailingMs = 1_000;

export class VendorCall implements EgressHandler {
  readonly credentials: CredentialSource;
  readonly #provider: LiveProvider;
  readonly #plan: VendorCallPlan;
  readonly #clock: Clock;
  readonly #listener: VendorCallListener;
  #stage: Stage = "connecting";
  #controller: EgressController | undefined;
  #reply: ReplyReader | undefined;
  #timer: NodeJS.Timeout | undefined;
  #drainedFor: GatewayError | undefined;
  /** How much had been generated when the reply was complete. */
  #outputAtEnd = 0;
  /** What the request carries. */
  #credential: Secret | undefined;
  /** On the monotonic clock. */
  #sentAtMs = 0;
  #isOver = false;
  /** 0 until the reply's headers have come. */
  httpStatus = 0;
  headers: ReplyHeaders = {};
  /** On the monotonic clock; undefined until the reply's first byte has come. */
  firstByteAtMs: number | undefined;

  /** The credentials are of the provider's, and prepared. */
  constructor(provider: LiveProvider, credentials: CredentialSource, plan: VendorCallPlan, clock: Clock, listener: VendorCallListener) {
    this.#provider = provider;
    this.credentials = credentials;
    this.#plan = plan;
    this.#clock = clock;
    this.#listener = listener;
  }

  get reply(): ReplyReader | undefined {
    return this.#reply;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  start(): void {
    const { config } = this.#provider;
    this.#credential = this.credentials.choose()!;
    this.#provider.dispatch(this.#plan.vendorRequest, this.#credential, this);
    // A free connection takes the request at once, and then there is nothing to wait for.
    if (this.#stage === "connecting" && !this.#isOver) {
      this.#timer = setTimeout(() => this.#end(AttemptResult.NOT_SENT, connectTimeout(config.name, config)), config.connectTimeoutMs);
    }
  }

  take(): AttemptResponse | undefined {
    return this.#reply?.take();
  }

  /** Lets the vendor go on after what waited was taken. */
  resume(): void {
    if (this.#controller?.paused === true) this.#controller.resume();
  }

  /** Ends the call because nobody waits for it any more: the connection is closed, or read on where the vendor's billing asks for it. */
  cancel(error: GatewayError): void {
    if (this.#isOver || this.#drainedFor !== undefined) return;
    if (this.#stage === "connecting") return this.#end(AttemptResult.NOT_SENT, error);
    if (this.#reply?.complete === true) return this.#endComplete();
    // What a batch will cost is known only of one whose id has come.
    if (this.#plan.makesBatch === true || this.#provider.config.adapter.onDisconnect === "drain") return this.#drain(error);
    this.#breakOff(AttemptResult.CANCELLED, error);
  }

  /** Ends the call at once, whatever the vendor's billing asks for. */
  cut(error: GatewayError): void {
    this.#breakOff(this.#stage === "connecting" ? AttemptResult.NOT_SENT : AttemptResult.CANCELLED, error);
  }

  onRequestStart(controller: EgressController): void {
    this.#controller = controller;
    // Whoever gave up while waiting for the connection has already been told that nothing was sent; nothing is sent twice either.
    if (this.#isOver || this.#stage !== "connecting") return controller.abort(new Error("not wanted any more"));
    this.#stage = "waiting";
    this.#sentAtMs = this.#clock.monotonicMs();
    this.#clearTimer();
  }

  onResponseStart(_controller: EgressController, status: number, headers: Parameters<typeof flatHeaders>[0]): void {
    const isInformational = status < 200;
    if (isInformational || this.#isOver) return;
    this.#stage = "reading";
    this.httpStatus = status;
    this.headers = flatHeaders(headers);
    this.#guard(() => {
      if (status >= 300) this.#reply = new ErrorReply((body) => this.#readError(body));
      else {
        refuseCompressed(this.headers);
        this.#reply = this.#plan.readReply(this.headers["content-type"] ?? "");
      }
    });
  }

  onResponseData(controller: EgressController, chunk: Buffer): void {
    if (this.#isOver) return controller.abort(new Error("the vendor sends on after its end"));
    this.firstByteAtMs ??= this.#clock.monotonicMs();
    const reply = this.#reply!;
    this.#guard(() => reply.push(chunk));
    if (this.#isOver) return;
    if (this.#drainedFor !== undefined) return void reply.take();
    if (reply.terminated === true) return this.#endTerminated();
    if (reply.complete) this.#waitForEnd(reply.output.bytes);
    this.#listener.progressed();
    if (reply.waitingBytes > maximumWaitingBytes) controller.pause();
  }

  onResponseEnd(): void {
    if (this.#isOver) return this.#clearTimer();
    this.#guard(() => this.#reply!.end());
    this.#end(AttemptResult.SUCCEEDED, undefined);
  }

  onResponseError(_controller: EgressController, thrown: Error): void {
    if (this.#isOver) return this.#clearTimer();
    if (this.#reply?.complete === true) return this.#end(AttemptResult.SUCCEEDED, undefined);
    const { config } = this.#provider;
    const error = readTransportError(thrown, this.#stage, config.name, config);
    if (this.#stage === "connecting") return this.#end(AttemptResult.NOT_SENT, error);
    // An error's body that was cut is still that error.
    if (this.#reply instanceof ErrorReply) this.#guard(() => this.#reply!.end());
    this.#end(this.#stage === "reading" ? AttemptResult.INTERRUPTED : AttemptResult.FAILED, error);
  }

  /** Does what reads the vendor's bytes; what it throws ends the call. */
  #guard(read: () => void): void {
    try {
      readNested(read, nestedTooDeeply);
    } catch (thrown) {
      const error = nameProvider(withLengthNoted(toGatewayError(thrown)), this.#provider.config.name, this.#credential);
      const mayAnotherDo = this.#credential !== undefined && credentialFailed(this.credentials, this.#credential, error);
      const told = error.reason === "UPSTREAM_UNAUTHENTICATED" && this.credentials.organizationId !== "" ? organizationRefused(error) : error;
      this.#breakOff(error.reason === "UPSTREAM_INTERRUPTED" ? AttemptResult.INTERRUPTED : AttemptResult.FAILED, mayAnotherDo ? withAnotherCredential(told) : told);
    }
  }

  #readError(body: Buffer): GatewayError {
    const reply = { status: this.httpStatus, headers: this.headers, body };
    return readRedirect(reply) ?? this.#provider.config.adapter.readError(reply);
  }

  #drain(error: GatewayError): void {
    this.#drainedFor = error;
    this.#reply?.take();
    this.#timer = setTimeout(() => this.#breakOff(AttemptResult.CANCELLED, error), maximumDrainMs);
    this.resume();
  }

  #breakOff(result: AttemptResult, error: GatewayError): void {
    this.#end(result, error);
    this.#controller?.abort(error);
  }

  #end(result: AttemptResult, error: GatewayError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#clearTimer();
    if (result === AttemptResult.SUCCEEDED) this.#reply?.close?.();
    if (result === AttemptResult.SUCCEEDED && this.#credential !== undefined) this.credentials.accepted(this.#credential, this.#sentAtMs);
    if (this.#drainedFor === undefined) this.#listener.ended(result, error);
    else this.#listener.ended(AttemptResult.CANCELLED, this.#drainedFor);
  }

  /** What is generated behind the end shows that it was none, and is waited for anew. */
  #waitForEnd(outputBytes: number): void {
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#stopWaitingForEnd(), trailingMs);
    else if (outputBytes > this.#outputAtEnd) this.#timer.refresh();
    this.#outputAtEnd = outputBytes;
  }

  #stopWaitingForEnd(): void {
    // While a slow caller holds the vendor up, the last bytes may still be on their way.
    if (this.#controller?.paused === true) this.#timer?.refresh();
    else this.#endComplete();
  }

  /** Ends a call whose reply is complete though the connection goes on. */
  #endComplete(): void {
    this.#end(AttemptResult.SUCCEEDED, undefined);
    this.#controller?.abort(new Error("nothing more is expected of the vendor"));
  }

  /** Ends a call whose stream is marked as ended: many clients hang up at the mark. The connection comes to its end by itself, and can be used again. */
  #endTerminated(): void {
    this.#end(AttemptResult.SUCCEEDED, undefined);
    this.#timer = setTimeout(() => this.#controller?.abort(new Error("nothing more is expected of the vendor")), trailingMs);
  }

  #clearTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

function nestedTooDeeply(): GatewayError {
  return new GatewayError("UPSTREAM_PROTOCOL", "The vendor's reply is nested more deeply than Weir can read; try again, or use another target.");
}
