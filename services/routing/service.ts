/** Owns putting the rooms of routing together: the views, the pipeline, the RPCs and the front door. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { RoutingService as OperatorService } from "#gen/weir/routing/v1/routing_service_pb.ts";
import { createBreaker } from "#platform/breaker.ts";
import type { Clock } from "#platform/clock.ts";
import { parseJsonObject } from "#platform/formats/json.ts";
import { toGatewayError } from "#platform/errors.ts";
import type { NatsLink } from "#platform/event-log/nats-link.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import { JsonJudge } from "#platform/json-schema/json-judge.ts";
import { guardService } from "#platform/rpc/method-guard.ts";
import { Counter, Gauge, type Registry } from "#platform/metrics.ts";
import { asUntyped, type ServiceInterface } from "#platform/rpc/service-types.ts";
import type { RunningService } from "#platform/rpc/service.ts";
import type { Tracer } from "#platform/tracing/span.ts";
import type { RoutingConfig } from "./config.ts";
import type { AskedCall } from "./domain/asked-call.ts";
import { ByteRoom } from "./domain/byte-room.ts";
import { boundRatesFor } from "./domain/budget/bound-rates.ts";
import { Breakers } from "./domain/attempts/breakers.ts";
import type { CacheRule } from "./domain/cache/cache-rule.ts";
import { isFound } from "./domain/cache/call-cache.ts";
import { meaningByModel } from "./domain/cache/meaning.ts";
import type { Peeks } from "./domain/dry-run.ts";
import { EndpointIndex } from "./domain/endpoint-index.ts";
import type { FileIds } from "./domain/account/file-ids.ts";
import { judgeByModel } from "./domain/guardrails/outside/judge.ts";
import { judgeByModeration } from "./domain/guardrails/outside/moderation.ts";
import type { Question } from "./domain/guardrails/outside/outside-check.ts";
import { runOwnCall } from "./domain/own-call.ts";
import type { Reply } from "./domain/call.ts";
import type { PipelineDependencies } from "./domain/pipeline.ts";
import type { PlanningView } from "./domain/targets/plan.ts";
import { guardrailLabel } from "./domain/reserved-labels.ts";
import { requestRecordOf, type EndedRequest } from "./domain/records/request-record.ts";
import { verdictOn } from "./domain/attempts/verdict.ts";
import { createAuditTrail } from "./audit-trail.ts";
import { cacheUseOf, sendCacheUses } from "./cache-use-sender.ts";
import { sendContents } from "./content-sender.ts";
import { createContentKeeper } from "./edge/content-recording.ts";
import { sendRequestRecords } from "./request-record-sender.ts";
import { createAskMeaning } from "./ask-meaning.ts";
import { missingTargetsTeller } from "./missing-targets.ts";
import { createOutsideChecks } from "./outside-checks.ts";
import { createAdmission, followCallerAddress } from "./edge/admission.ts";
import { createConsoleFiles } from "./edge/browsers/console-files.ts";
import { dialects } from "./edge/dialects.ts";
import { readBatchInput } from "./edge/openai/account/batch-input.ts";
import { createFrontDoor, type FrontDoor } from "./edge/front-door.ts";
import { PluginSet } from "./edge/guardrail-plugins/plugin-set.ts";
import { RequestObserver } from "./edge/request-scope.ts";
import { createSessionDoor } from "./edge/sessions/session-door.ts";
import type { RoutingPeers } from "./peers.ts";
import { createInferenceService } from "./rpc/inference-service.ts";
import { createExplainDecision } from "./rpc/explain-decision.ts";
import { testGuardrail } from "./rpc/test-guardrail.ts";
import { followCatalogue } from "./store/catalogue-view.ts";
import { GrantView } from "./store/grant-view.ts";
import { budgetsOfCall } from "./store/call-budgets.ts";
import { peekCredential } from "./store/credential-peek.ts";
import { LeaseHolder } from "./store/lease-holder.ts";
import { KeyUses } from "./store/key-uses.ts";
import { PlanningChanges } from "./store/planning-changes.ts";
import { RateCounters } from "./store/rate-counters.ts";
import { KeptReplies } from "./store/kept-replies.ts";
import { createSharedRepliesMetrics, SharedReplies } from "./store/shared-replies.ts";
import { followRules } from "./store/rule-view.ts";
import { TargetLatencies } from "./store/target-latencies.ts";

/** Where the page for operators is built. */
const consoleDirectory = join(import.meta.dirname, "../console/dist");

const noRules: readonly CacheRule[] = [];

export interface RoutingDependencies {
  readonly config: LiveValue<RoutingConfig>;
  readonly peers: RoutingPeers;
  /** Where processes share replies: the link to NATS. */
  readonly sharedCache?: NatsLink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Registry;
  readonly tracer: LiveValue<Tracer | undefined>;
  /** Fires when the process begins to drain: health checks and watchers are told. */
  readonly draining: AbortSignal;
}

export interface RoutingService extends RunningService<typeof InferenceService> {
  /** Answers what comes in on the public port. */
  readonly frontDoor: FrontDoor;
}

/** Resolves when the views are here, so that the first request finds what it needs. */
export async function createRoutingService({ config, peers, sharedCache, clock, logger, metrics, tracer, draining }: RoutingDependencies): Promise<RoutingService> {
  const stopping = new AbortController();
  const tellMissingTargets = missingTargetsTeller(logger);
  const planningChanges = new PlanningChanges(clock);
  const onPlanningChange = (view: PlanningView): void => {
    planningChanges.note();
    tellMissingTargets(view);
  };
  const [grants, catalogue, rulesOf] = await Promise.all([
    GrantView.follow({ policy: peers.policy, clock, logger, signal: stopping.signal }),
    followCatalogue(peers, (providers) => onPlanningChange({ routes: config.current.routes, providers }), logger, stopping.signal),
    followRules({ policy: peers.policy, logger, signal: stopping.signal }),
  ]);
  config.subscribe(({ routes }) => onPlanningChange({ routes, providers: catalogue.providers }));
  const uses = new KeyUses({ policy: peers.policy, logger });
  const holds = new LeaseHolder({ policy: peers.policy, contact: grants, clock, logger, signal: stopping.signal });
  const addressOf = followCallerAddress(config);
  const admit = createAdmission({ grants, uses, addressOf, consoleOrigin: () => config.current.console.origin, clock });
  const breakers = new Breakers(config.current.breaker, (name, settings) => createBreaker(name, settings, (error) => verdictOn(error).health));
  config.subscribe(({ breaker }) => breakers.configure(breaker));
  const failedAttempts = new Counter({ name: "weir_failed_attempts_total", help: "Attempts that failed before their reply began, by provider.", labelNames: ["provider"], registers: [metrics] });
  const circuits = new Gauge({ name: "weir_circuit_open", help: "1 where a target failed too often and is left alone for a while, by target.", labelNames: ["target"], aggregator: "max", registers: [], collect: () => showCircuits() });
  const showCircuits = (): void => {
    circuits.reset();
    for (const [target, isOpen] of breakers.states) circuits.set({ target }, isOpen ? 1 : 0);
  };
  metrics.registerMetric(circuits);
  const hedges = new Counter({ name: "weir_hedges_total", help: "Calls for which a second target was asked beside a slow one, by who began first: the `first` or the `second`.", labelNames: ["winner"], registers: [metrics] });
  const retries = new Counter({ name: "weir_retries_total", help: "Attempts made again at the same target, by provider and the reason why the attempt before had failed.", labelNames: ["provider", "reason"], registers: [metrics] });
  const findings = new Counter({ name: "weir_guardrail_findings_total", help: "Calls in which a guardrail found something, by rule, mode, detector and side.", labelNames: ["rule", "mode", "detector", "side"], registers: [metrics] });

  const plugins = new PluginSet(config, clock);
  const jsonJudge = new JsonJudge();
  const cacheRules = (): readonly CacheRule[] => config.current.cache?.rules ?? noRules;
  const sharedSettings = config.current.cache?.shared;
  const longestLifetimeMs = (): number => Math.max(1_000, ...cacheRules().map(({ lifetimeMs }) => lifetimeMs));
  const sharedMetrics = createSharedRepliesMetrics(metrics);
  const sharedReplies = sharedCache && sharedSettings && new SharedReplies({ link: sharedCache, settings: sharedSettings, longestLifetimeMs, clock, logger, metrics: sharedMetrics });
  const keptReplies = new KeptReplies(config.current.cache, clock, metrics, sharedReplies);
  config.subscribe(({ cache }) => keptReplies.configure(cache));
  const cacheUseSender = sendCacheUses({ metering: peers.metering, clock, logger, metrics });
  const cacheUses = new Counter({ name: "weir_cache_uses_total", help: "Calls that a rule of the cache is for, by what became of them: `hit`, `similar` (a hit by meaning), `miss`, or `bypass` at the caller's word.", labelNames: ["outcome"], registers: [metrics] });
  const rateCounters = new RateCounters({ policy: peers.policy, clock });
  const askedBy = ({ rule, call }: Question, signal: AbortSignal) => (asked: AskedCall): Promise<Reply> => runOwnCall(asked, call, { [guardrailLabel]: rule }, signal, pipeline);
  const pipeline: PipelineDependencies = {
    view: () => ({ routes: config.current.routes, providers: catalogue.providers }),
    nextView: (signal) => planningChanges.next(signal),
    priceVersion: () => catalogue.priceVersion,
    rulesOf,
    rateCounterOf: rateCounters.counterOf,
    breaker: (name) => breakers.get(name),
    attempt: (request, context) => peers.providers.attempt(request, context),
    budgets: { holds, rates: (target, organizationId, isBatch) => boundRatesFor(target, organizationId, isBatch, catalogue.boundPrices) },
    latencies: new TargetLatencies(clock),
    random: Math.random,
    clock,
    setAlarm: (afterMs) => {
      const { promise: rings, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, afterMs);
      return { rings, stop: () => clearTimeout(timer) };
    },
    onHedged: (winner) => hedges.inc({ winner }),
    onFailedAttempt: ({ requestId }, target, error) => {
      failedAttempts.inc({ provider: target.provider.name });
      logger.debug({ requestId, target: target.name, error }, "attempt failed");
    },
    onRetry: (target, error) => retries.inc({ provider: target.provider.name, reason: toGatewayError(error).reason }),
    onFinding: ({ requestId, notes }, finding) => {
      notes?.find(finding);
      findings.inc({ ...finding });
      logger.info({ requestId, ...finding }, "a guardrail found something");
    },
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
    askOutside: createOutsideChecks(
      {
        plugin: (name, question, signal) => plugins.judge(name, question, signal),
        moderation: (moderation, question, signal) => judgeByModeration(moderation, question.texts, askedBy(question, signal)),
        judge: (judge, question, signal) => judgeByModel(judge, question.texts, randomUUID(), askedBy(question, signal)),
      },
      logger,
      metrics,
    ),
    judgeJson: (schema, text) => jsonJudge.faultOf(schema, text),
    cache: {
      rules: cacheRules,
      store: keptReplies,
      askMeaning: createAskMeaning((question, signal) => meaningByModel(question, signal, pipeline), logger, metrics),
      onUse: (call, plan, target, use) => {
        cacheUses.inc({ outcome: use.outcome });
        if (use.outcome !== "bypass") cacheUseSender.add(cacheUseOf(call, plan, target, isFound(use), clock));
      },
    },
  };
  const fileIds = (organizationId: string): FileIds => grants.fileIds(organizationId);
  const dependencies = { pipeline, dialects, fileIds, readBatchInput, parseJson: parseJsonObject };
  const implementation = createInferenceService(dependencies);
  const byteRoom = new ByteRoom(() => config.current.maximumMediaBytes);
  const peeks: Peeks = {
    rateRoom: rateCounters.peek,
    hold: (need, context) => holds.peek(need, context),
    budgetsOf: (context) => budgetsOfCall(peers.policy, context),
    credential: (provider, organizationId, signal) => peekCredential(peers.providers, provider, organizationId, signal),
  };
  const operatorImplementation: ServiceInterface<typeof OperatorService> = {
    testGuardrail: (request, context) => testGuardrail(request, context, pipeline),
    explainDecision: createExplainDecision({ ...dependencies, grants, clock, peeks }),
  };
  const sender = sendContents({ metering: peers.metering, clock, logger, metrics });
  const contents = createContentKeeper(config, (content) => sender.add(content));
  const audit = createAuditTrail(peers.metering, clock, logger);
  const requestRecordSender = sendRequestRecords({ metering: peers.metering, clock, logger, metrics });
  const onNotable = (request: EndedRequest): void => {
    const record = requestRecordOf(request, pipeline.view());
    if (record !== undefined) requestRecordSender.add(record);
  };
  const frontDoor = createFrontDoor({
    config,
    http: { dialects, endpoints: new EndpointIndex(dialects), admit, pipeline, config: () => config.current, fileIds, byteRoom, startTimeMs: clock.now(), contents },
    rpc: {
      services: [
        { descriptor: InferenceService, owner: asUntyped(guardService(InferenceService, implementation)) },
        { descriptor: OperatorService, owner: asUntyped(guardService(OperatorService, operatorImplementation)) },
        { descriptor: PolicyService, owner: asUntyped(peers.policy) },
        { descriptor: MeteringService, owner: asUntyped(peers.metering) },
        { descriptor: ProvidersService, owner: asUntyped(peers.providers) },
      ],
      admit,
      byteRoom,
      draining,
      audit,
      contents,
    },
    sessionDoor: createSessionDoor({ policy: peers.policy, grants, addressOf, settings: () => config.current.console, audit, clock }),
    consoleFiles: createConsoleFiles(consoleDirectory),
    clock,
    onReplyError: (error) => logger.error({ error }, "a reply could not be written"),
    observer: new RequestObserver(logger, metrics, tracer, onNotable),
  });
  return {
    descriptor: InferenceService,
    implementation,
    frontDoor,
    stop: async () => {
      await Promise.all([uses.stop(), rateCounters.stop(), sender.stop(), cacheUseSender.stop(), requestRecordSender.stop(), holds.stop(), jsonJudge.stop()]);
      stopping.abort();
      breakers.shutdown();
      sharedReplies?.stop();
      plugins.close();
    },
  };
}
