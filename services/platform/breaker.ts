/** Owns circuit breaking by opossum: one circuit per name, judged only by failures of what it protects. */
import CircuitBreaker from "opossum";
import { GatewayError } from "./errors.ts";

export interface BreakerSettings {
  /** Failures in percent of the calls in the window that open the circuit. */
  readonly failurePercentage: number;
  /** Calls in the window before it is judged. */
  readonly minimumCalls: number;
  readonly windowMs: number;
  /** How long the circuit stays open before one call may probe. */
  readonly openMs: number;
}

/** What an error says of the protected thing: it failed, it works, or nothing. */
export type Health = "failed" | "works" | "unknown";

export interface Breaker {
  /**
   * Runs the action, or throws CIRCUIT_OPEN without running it. The action has begun well when its promise resolves;
   * what goes wrong later is told by `reportFailure`.
   */
  run<T>(action: () => Promise<T>): Promise<T>;
  reportFailure(): void;
  /** Whether nothing is let through now. */
  readonly isOpen: boolean;
  shutdown(): void;
}

type Action = () => Promise<unknown>;
type Circuit = CircuitBreaker<[Action], unknown>;

const openCode = "EOPENBREAKER";
const awaitingProbe = { enabled: true, closed: false, open: false, halfOpen: true, warmUp: false, shutdown: false };

export function createBreaker(name: string, settings: BreakerSettings, healthOf: (error: unknown) => Health): Breaker {
  let openedAtMs = 0;
  let circuit = createCircuit();
  const laterFailure = new Error("what had begun well failed later");
  const reject = (): Promise<never> => Promise.reject(laterFailure);
  return {
    run: <T>(action: () => Promise<T>) => run(circuit, action, () => circuitOpen(name, openedAtMs + settings.openMs - performance.now())) as Promise<T>,
    reportFailure: () => {
      // opossum has counted the beginning as a success for good: two failures outweigh it.
      for (let failure = 0; failure < 2; failure++) circuit.fire(reject).catch(() => undefined);
    },
    get isOpen() {
      return circuit.opened;
    },
    shutdown: () => circuit.shutdown(),
  };

  function createCircuit(state?: typeof awaitingProbe): Circuit {
    const created: Circuit = new CircuitBreaker((action: Action) => action(), {
      name,
      // Deadlines travel in the call's own signal: opossum's timer and its one AbortController are shared by all calls.
      timeout: false,
      errorThresholdPercentage: settings.failurePercentage,
      volumeThreshold: settings.minimumCalls,
      rollingCountTimeout: settings.windowMs,
      rollingCountBuckets: 10,
      rollingPercentilesEnabled: false,
      resetTimeout: settings.openMs,
      errorFilter: (error: unknown) => {
        const health = error === laterFailure ? "failed" : healthOf(error);
        // opossum takes a filtered error for a success; a probe that says nothing must not close the circuit.
        if (health === "unknown" && created.halfOpen) awaitProbe();
        return health !== "failed";
      },
      ...(state && { state }),
    });
    // Of what was begun before it opened, a late end would close it too.
    created.once("halfOpen", awaitProbe);
    return created.on("open", () => (openedAtMs = performance.now()));
  }

  /** The next call is the probe, and what is still under way says nothing any more: a circuit that was shut down hears nothing. */
  function awaitProbe(): void {
    circuit.shutdown();
    circuit = createCircuit(awaitingProbe);
  }
}

async function run(circuit: Circuit, action: Action, open: () => GatewayError): Promise<unknown> {
  try {
    return await circuit.fire(action);
  } catch (error) {
    if ((error as { code?: unknown }).code === openCode) throw open();
    throw error;
  }
}

/** While a probe is on its way, how it ends is known soon. */
const leastWaitMs = 1_000;

/** Where it is known for how long it stays open, callers are told. */
export function circuitOpen(name: string, leftMs?: number): GatewayError {
  const retry = leftMs === undefined ? {} : { retryAfterMs: Math.max(leastWaitMs, Math.ceil(leftMs)) };
  return new GatewayError("CIRCUIT_OPEN", `${name} failed too often and is left alone for a while; try again later, or use another one.`, { metadata: { target: name }, ...retry });
}
