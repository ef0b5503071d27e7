/** Proves of every way to the ledger that each event stands there once and none is left, whatever is lost, late, doubled or out of order. */
import { setTimeout as pause } from "node:timers/promises";
import type { UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { EventTransport } from "#platform/event-log/event-transport.ts";
import { describe, expect, onTestFinished, test } from "vitest";
import { createPeerTransport } from "../../services/providers/peer-transport.ts";
import type { MeteringPeer } from "../../services/providers/peers.ts";
import { startNatsProxy, type Fate, type NatsFrame } from "../harness/nats-proxy.ts";
import { findNatsServer } from "../harness/nats-server.ts";
import { seededRandom } from "../harness/random.ts";
import {
  createLedgerDatabase,
  eventsInStream,
  natsTransport,
  onceEach,
  openLink,
  reconcile,
  someEvents,
  startEmitter,
  startLedger,
  startTestNats,
  type Ledger,
} from "./event-log-world.ts";

interface World {
  readonly transport: EventTransport<UsageEvent>;
  readonly ledger: Ledger;
  /** Events between emitter and ledger. */
  readonly underWay: () => Promise<number>;
}

const seeds = Array.from({ length: process.env["WEIR_TEST_LEVEL"] === "full" ? 20 : 2 }, (_, index) => index + 1);
const natsProgram = await findNatsServer();

const transports = [
  { name: "a call to metering", start: startDirect, isHere: true },
  { name: "NATS JetStream", start: startThroughNats, isHere: natsProgram !== undefined },
];

for (const { name, start, isHere } of transports) {
  describe.skipIf(!isHere)(`events by ${name}`, () => {
    test.each(seeds)("stand once each when messages are lost, late, doubled and out of order (seed %i)", async (seed) => {
      const { transport, ledger, underWay } = await start(seededRandom(seed));
      const emitter = startEmitter(transport);
      const events = someEvents(240);
      for (let begin = 0; begin < events.length; begin += 60) {
        emitter.emit(events.slice(begin, begin + 60));
        await pause(50);
      }
      expect(await emitter.delivery.drain(50_000)).toBe(0);
      expect(emitter.journal.size).toBe(0);
      await expect.poll(underWay, { timeout: 20_000 }).toBe(0);
      expect(await reconcile(ledger.database)).toMatchObject(onceEach(240));
    });
  });
}

/** Calls are lost before they arrive or after, take their time, and arrive twice, once late: after newer ones. */
async function startDirect(random: () => number): Promise<World> {
  const ledger = await startLedger(await createLedgerDatabase());
  let late = 0;
  const metering: Pick<MeteringPeer, "recordUsage"> = {
    async recordUsage(request, context) {
      const [lost, doubled, delay] = [random(), random(), random()];
      if (lost < 0.2) throw new Error("lost on the way there");
      if (doubled < 0.3) {
        late++;
        void pause(300 * delay)
          .then(() => ledger.implementation.recordUsage(request, context))
          .finally(() => late--);
      }
      await pause(30 * delay);
      const response = await ledger.implementation.recordUsage(request, context);
      if (lost < 0.4) throw new Error("lost on the way back");
      return response;
    },
  };
  return { transport: createPeerTransport(metering), ledger, underWay: async () => late };
}

/** Events, the broker's acknowledgements and metering's confirmations go through a proxy that loses, delays and doubles them. */
async function startThroughNats(random: () => number): Promise<World> {
  const fate = ({ direction, subject }: NatsFrame): Fate => {
    // What NATS hands to metering, and what metering acknowledges, would come again only after half a minute.
    const canBeLost = subject.startsWith("weir.confirmed.") || subject.startsWith("weir.inbox.emitter.") || (direction === "out" && subject.startsWith("weir.usage."));
    const canBeLate = canBeLost || subject.startsWith("weir.usage.") || subject.startsWith("$JS.ACK.");
    const [lost, doubled, late, delay] = [random(), random(), random(), random()];
    if (canBeLost && lost < 0.08) return [];
    const first = { delayMs: canBeLate && late < 0.3 ? 1 + 60 * delay : 0 };
    return canBeLate && doubled < 0.1 ? [first, { delayMs: 1 + 100 * delay }] : [first];
  };
  const nats = await startTestNats();
  const proxy = await startNatsProxy(nats.port, fate);
  onTestFinished(() => proxy.close());
  const ledger = await startLedger(await createLedgerDatabase(), openLink(proxy.url, { service: "metering" }));
  return { transport: natsTransport(openLink(proxy.url, { service: "emitter" })), ledger, underWay: () => eventsInStream(nats.url) };
}
