/** Proves what the event log does when NATS itself is killed, full, absent, set up wrongly, or fed with what is no event. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { inspect } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { DiscardPolicy, jetstream, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import { JournalState, ReportJournalRequestSchema } from "#gen/weir/metering/v1/journal_pb.ts";
import { UsageEventSchema } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Queryable } from "#platform/database/database.ts";
import { createNatsJournalRegistry } from "#platform/event-log/nats-journal-registry.ts";
import { toEventMessage } from "#platform/event-log/nats-message.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import { describe, expect, onTestFinished, test } from "vitest";
import { attemptIdAt, testNowMs } from "../../services/metering/usage-events.fixture.ts";
import { createProvidersService } from "../../services/providers/service.ts";
import { attemptRequest, collect, configOf, contextOf, operations } from "../../services/providers/testing/start-providers.ts";
import { shippedRights } from "../harness/nats-rights.ts";
import { findNatsServer } from "../harness/nats-server.ts";
import {
  createLedgerDatabase,
  eventsInStream,
  expectRefused,
  keepLog,
  natsTransport,
  onceEach,
  openLink,
  reconcile,
  silent,
  someEvents,
  startEmitter,
  startLedger,
  startTestNats,
  usageEvent,
  withManager,
} from "./event-log-world.ts";

const isHere = (await findNatsServer()) !== undefined;

describe.skipIf(!isHere)("the event log through NATS", () => {
  test("SIGKILL of NATS in the middle of a load, and again: each event stands once", async () => {
    const nats = await startTestNats();
    const ledger = await startLedger(await createLedgerDatabase(), openLink(nats.url));
    const emitter = startEmitter(natsTransport(openLink(nats.url)));
    for (let round = 0; round < 20; round++) {
      emitter.emit(someEvents(30, 30 * round));
      await pause(40);
      if (round % 8 === 4) await nats.kill();
      if (round % 8 === 7) await nats.start();
    }
    expect(await emitter.delivery.drain(60_000)).toBe(0);
    expect(await reconcile(ledger.database)).toMatchObject(onceEach(600));
  }, 90_000);

  test("what the broker has acknowledged is not confirmed: a stream that is lost with its events loses none", async () => {
    const nats = await startTestNats();
    const database = await createLedgerDatabase();
    const earlier = await startLedger(database, openLink(nats.url));
    await expect.poll(() => eventsInStream(nats.url).catch(() => -1)).toBe(0);
    await earlier.stop();
    const emitter = startEmitter(natsTransport(openLink(nats.url)));
    emitter.emit(someEvents(50));
    await expect.poll(() => eventsInStream(nats.url)).toBe(50);
    expect(emitter.journal.size).toBe(50);
    await withManager(nats.url, (manager) => manager.streams.delete("WEIR_USAGE"));

    const ledger = await startLedger(database, openLink(nats.url));
    expect(await emitter.delivery.drain(30_000)).toBe(0);
    expect(await reconcile(ledger.database)).toMatchObject(onceEach(50));
  });

  test("while metering is away an event waits in the stream once, however often it is handed over", async () => {
    const nats = await startTestNats();
    const database = await createLedgerDatabase();
    const earlier = await startLedger(database, openLink(nats.url));
    await expect.poll(() => eventsInStream(nats.url).catch(() => -1)).toBe(0);
    await earlier.stop();
    const transport = natsTransport(openLink(nats.url));
    const events = someEvents(5).map((event) => ({ id: event.intent!.attemptId, event }));
    // The last of these is beyond the duplicate window.
    for (let time = 0; time < 6; time++) expect(await transport.deliver(events, AbortSignal.timeout(10_000))).toEqual({ confirmedIds: [], rejectedIds: [] });
    expect(await eventsInStream(nats.url)).toBe(5);

    await startLedger(database, openLink(nats.url));
    await expect.poll(() => eventsInStream(nats.url)).toBe(0);
    // The confirmations came while nobody waited: they are still good, though the stream would take the events again.
    expect((await transport.deliver(events, AbortSignal.timeout(10_000))).confirmedIds).toHaveLength(5);
    expect(await eventsInStream(nats.url)).toBe(0);
  });

  test("a full stream refuses, and the events wait in the journal until there is room", async () => {
    const nats = await startTestNats();
    const limits = { stream: { maximumEvents: 100 } };
    const database = await createLedgerDatabase();
    const earlier = await startLedger(database, openLink(nats.url, limits));
    await expect.poll(() => eventsInStream(nats.url).catch(() => -1)).toBe(0);
    await earlier.stop();
    const { logger, lines } = keepLog();
    const emitter = startEmitter(natsTransport(openLink(nats.url)), logger);
    emitter.emit(someEvents(250));
    await expect.poll(() => lines.join("\n"), { timeout: 20_000 }).toContain("maximum messages exceeded");
    expect(await eventsInStream(nats.url)).toBe(100);
    expect(emitter.journal.size).toBe(250);

    await startLedger(database, openLink(nats.url, limits));
    expect(await emitter.delivery.drain(30_000)).toBe(0);
    expect(await reconcile(database)).toMatchObject(onceEach(250));
  });

  test("a stream that would break a law is named with each difference and left alone; once it is gone, all goes on", async () => {
    const nats = await startTestNats();
    await withManager(nats.url, (manager) =>
      manager.streams.add({ name: "WEIR_USAGE", subjects: ["weir.usage.>"], storage: StorageType.Memory, retention: RetentionPolicy.Limits, discard: DiscardPolicy.Old, max_msgs: 10 }),
    );
    const { logger, lines } = keepLog();
    const ledger = await startLedger(await createLedgerDatabase(), openLink(nats.url), logger);
    await expect.poll(() => lines.join("\n")).toContain("nats stream rm WEIR_USAGE");
    const complaint = lines.join("\n");
    for (const difference of ["retention", "discard", "storage"]) expect(complaint).toContain(`${difference} is `);
    expect(await withManager(nats.url, async (manager) => (await manager.streams.info("WEIR_USAGE")).config)).toMatchObject({ storage: "memory", max_msgs: 10 });

    await withManager(nats.url, (manager) => manager.streams.delete("WEIR_USAGE"));
    const emitter = startEmitter(natsTransport(openLink(nats.url)));
    emitter.emit(someEvents(3));
    expect(await emitter.delivery.drain(25_000)).toBe(0);
    expect(await reconcile(ledger.database)).toMatchObject(onceEach(3));
  });

  test("a consumer that somebody changes to headers alone, while events come, loses none", async () => {
    const nats = await startTestNats();
    const { logger, lines } = keepLog();
    const ledger = await startLedger(await createLedgerDatabase(), openLink(nats.url), logger);
    await expect.poll(() => eventsInStream(nats.url).catch(() => -1), { timeout: 20_000 }).toBe(0);
    await withManager(nats.url, async (manager) => manager.consumers.add("WEIR_USAGE", { ...(await manager.consumers.info("WEIR_USAGE", "metering")).config, headers_only: true }));
    const emitter = startEmitter(natsTransport(openLink(nats.url)));
    emitter.emit(someEvents(20));
    await expect.poll(() => lines.join("\n"), { timeout: 20_000 }).toMatch(/headers alone.*nats consumer rm WEIR_USAGE metering/);
    await withManager(nats.url, (manager) => manager.consumers.delete("WEIR_USAGE", "metering"));
    expect(await emitter.delivery.drain(40_000)).toBe(0);
    expect(await reconcile(ledger.database)).toMatchObject(onceEach(20));
  }, 90_000);

  test("limits are raised to those configured, and never lowered", async () => {
    const nats = await startTestNats();
    const database = await createLedgerDatabase();
    const limitsAfter = async (maximumEvents: number): Promise<number> => {
      const { logger, lines } = keepLog();
      const ledger = await startLedger(database, openLink(nats.url, { stream: { maximumEvents } }), logger);
      const emitter = startEmitter(natsTransport(openLink(nats.url)));
      emitter.emit(someEvents(1));
      expect(await emitter.delivery.drain(10_000)).toBe(0);
      await ledger.stop();
      expect(lines.join("\n").includes("wider than those configured")).toBe(maximumEvents === 150);
      return withManager(nats.url, async (manager) => (await manager.streams.info("WEIR_USAGE")).config.max_msgs);
    };
    expect(await limitsAfter(100)).toBe(100);
    expect(await limitsAfter(200)).toBe(200);
    expect(await limitsAfter(150)).toBe(200);
  });

  test("what is no event, or comes for another tenant, is a dead letter and gone, and borrows no right of metering's", async () => {
    const nats = await startTestNats();
    const { logger, lines } = keepLog();
    const ledger = await startLedger(await createLedgerDatabase(), openLink(nats.url), logger);
    await expect.poll(() => eventsInStream(nats.url).catch(() => -1)).toBe(0);
    const stranger = toEventMessage(usageEvent({ attempt: 7, organization: "org_a" }));
    await withManager(nats.url, async (_manager, connection) => {
      const forged = connection.subscribe("weir.usage-of-rights");
      const confirmTo = headers();
      confirmTo.set("Weir-Confirm", forged.getSubject());
      const client = jetstream(connection);
      await client.publish("weir.usage.org_a.att_1-3", "no protobuf \xff\xff", { msgID: "att_1-3", headers: confirmTo });
      await client.publish(stranger.subject.replace("org_a", "org_b"), stranger.bytes, { msgID: stranger.id });
      await client.publish(stranger.subject, stranger.bytes, { msgID: "another" });
      await client.publish(stranger.subject, toBinary(UsageEventSchema, usageEvent({ attempt: 7, organization: "org_b" })));
      const emitter = startEmitter(natsTransport(openLink(nats.url)));
      emitter.emit([...someEvents(5), usageEvent({ attempt: 9, model: "" })]);
      expect(await emitter.delivery.drain(10_000)).toBe(0);
      await expect.poll(() => eventsInStream(nats.url)).toBe(0);
      await connection.flush();
      expect(forged.getReceived()).toBe(0);
    });
    expect(await reconcile(ledger.database)).toMatchObject(onceEach(5));
    const { rows } = await ledger.database.query<{ reason: string }>("select reason from dead_letters order by reason");
    expect(rows.map(({ reason }) => reason)).toEqual([
      expect.stringContaining("it came on the subject weir.usage.org_a."),
      expect.stringContaining("it came on the subject weir.usage.org_b."),
      "it is no usage event",
      "it names no vendor or no model",
    ]);
    expect(lines.filter((line) => line.includes("dead letter")).length).toBeGreaterThanOrEqual(4);
  });

  test("a database that is down loses nothing, and neither does stopping one of two replicas", async () => {
    const nats = await startTestNats();
    const database = await createLedgerDatabase();
    let isDown = false;
    const failing: typeof database = Object.create(database, {
      transaction: {
        value: (...given: Parameters<typeof database.transaction>) => {
          if (isDown) throw new GatewayError("DEPENDENCY_UNAVAILABLE", "The database does not answer at the moment; try again.");
          return database.transaction(...given);
        },
      },
    }) as typeof database;
    const first = await startLedger(failing, openLink(nats.url));
    const second = await startLedger(failing, openLink(nats.url));
    const emitter = startEmitter(natsTransport(openLink(nats.url)));
    for (let round = 0; round < 15; round++) {
      emitter.emit(someEvents(20, 20 * round));
      await pause(30);
      isDown = round >= 3 && round < 9;
      if (round === 11) await first.stop();
    }
    expect(await emitter.delivery.drain(60_000)).toBe(0);
    expect(await reconcile(database)).toMatchObject(onceEach(300));
    await second.stop();
    await expect.poll(() => eventsInStream(nats.url), { timeout: 5_000 }).toBe(0);
  }, 90_000);

  test("where NATS is not there yet everything starts, says so once, and goes on when it comes", async () => {
    const nats = await startTestNats();
    await nats.kill();
    const { logger, lines } = keepLog();
    const ledger = await startLedger(await createLedgerDatabase(), openLink(nats.url), logger);
    const emitter = startEmitter(natsTransport(openLink(nats.url, { logger })));
    emitter.emit(someEvents(10));
    await pause(1_500);
    expect(lines.filter((line) => line.includes("cannot be reached"))).toHaveLength(1);
    expect(emitter.journal.size).toBe(10);
    await nats.start();
    expect(await emitter.delivery.drain(20_000)).toBe(0);
    expect(await reconcile(ledger.database)).toMatchObject(onceEach(10));
  });

  test("what providers journalled while NATS was away reaches the ledger after the next start", async () => {
    const nats = await startTestNats();
    await nats.kill();
    const journalDirectory = await mkdtemp(join(tmpdir(), "weir-journal-"));
    onTestFinished(() => rm(journalDirectory, { recursive: true }));
    const clock = { now: () => testNowMs, monotonicMs: () => performance.now() };
    const startProviders = () =>
      createProvidersService({ config: new MutableLiveValue(configOf({ baseUrl: "http://127.0.0.1:9" })), eventLog: openLink(nats.url), instance: "test", journalDirectory, claimLeftoverJournal: async () => undefined, clock, logger: silent, metrics: createMetricsRegistry(), tracer: new MutableLiveValue(undefined) });
    const first = await startProviders();
    const { error } = await collect(first.implementation.attempt(attemptRequest({ attemptId: attemptIdAt(testNowMs, 1), operation: operations.generate }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_UNAVAILABLE" });
    await first.stop();

    await nats.start();
    const ledger = await startLedger(await createLedgerDatabase(), openLink(nats.url));
    const second = await startProviders();
    await expect.poll(async () => (await reconcile(ledger.database))["attempts"], { timeout: 15_000 }).toBe(1n);
    await second.stop();
  });

  test("an event on which posting fails for a reason of its own holds up no other, and ends as a dead letter (the latter in full tests)", async () => {
    const nats = await startTestNats();
    const database = await createLedgerDatabase();
    const choking: typeof database = Object.create(database, {
      transaction: {
        value: <T>(work: (queryable: Queryable) => Promise<T>) =>
          database.transaction((transaction) =>
            work({
              query(statement: string, values: readonly unknown[] = []) {
                if (inspect(values, { depth: null, maxArrayLength: null }).includes("indigestible")) throw new Error("an unforeseen fault");
                return transaction.query(statement, values);
              },
            } as Queryable),
          ),
      },
    }) as typeof database;
    await startLedger(choking, openLink(nats.url));
    const emitter = startEmitter(natsTransport(openLink(nats.url)));
    emitter.emit([...someEvents(20), usageEvent({ attempt: 30, labels: { note: "indigestible" } })]);
    await expect.poll(() => emitter.journal.size, { timeout: 10_000 }).toBe(1);
    expect(await reconcile(database)).toMatchObject(onceEach(20));
    // Ten deliveries, each later than the one before.
    if (process.env["WEIR_TEST_LEVEL"] === "full") await expect.poll(() => emitter.journal.size, { timeout: 300_000 }).toBe(0);
  }, 320_000);

  test("a link is closed also while NATS is away", async () => {
    const nats = await startTestNats();
    const link = openLink(nats.url);
    await link.connected(AbortSignal.timeout(5_000));
    await nats.kill();
    await link.close();
    await expect(link.connected(AbortSignal.timeout(5_000))).rejects.toThrow("not connected");
  });

  test("a password that is refused is told in the log, without the password", async () => {
    const nats = await startTestNats('authorization { user: weir, password: "right" }');
    const { logger, lines } = keepLog();
    const link = openLink(nats.url.replace("//", "//weir:canary-secret@"), { logger });
    await expect.poll(() => lines.join("\n")).toMatch(/authoriz/i);
    await expect(link.connected(AbortSignal.timeout(10))).rejects.toThrow(/not connected/);
    expect(lines.join("\n") + JSON.stringify(link.settings)).not.toContain("canary");
  });

  test("a password that is changed at NATS is told, with what to do, and its return once", async () => {
    const passwordIs = (password: string): string => `authorization { user: weir, password: "${password}" }`;
    const nats = await startTestNats(passwordIs("right"));
    const restartWith = async (password: string): Promise<void> => {
      await nats.kill();
      await nats.configure(passwordIs(password));
      await nats.start();
    };
    const { logger, lines } = keepLog();
    const link = openLink(nats.url.replace("//", "//weir:right@"), { logger });
    await link.connected(AbortSignal.timeout(20_000));
    await restartWith("other");
    await expect.poll(() => lines.join("\n"), { timeout: 20_000 }).toContain("refuses the credential of this process");
    // Refused some more times.
    await pause(2_500);
    await restartWith("right");
    await link.connected(AbortSignal.timeout(20_000));
    // What NATS answers now comes behind all that the client had to say.
    await (await link.connected(AbortSignal.timeout(20_000))).flush();
    expect(lines.filter((line) => line.includes("NATS is connected again"))).toHaveLength(1);
    expect(lines.filter((line) => line.includes("refuses the credential"))).toHaveLength(1);
  }, 60_000);

  test("deploy/nats.conf gives rights that suffice, and no more", async () => {
    const nats = await startTestNats(shippedRights());
    const asUser = (user: string): string => nats.url.replace("//", `//${user}:secret@`);
    const { logger, lines } = keepLog();
    const ledger = await startLedger(await createLedgerDatabase(), openLink(asUser("metering"), { service: "metering", logger }), logger);
    const emitter = startEmitter(natsTransport(openLink(asUser("providers"), { service: "providers", logger }), logger), logger);
    emitter.emit(someEvents(300));
    expect(await emitter.delivery.drain(20_000)).toBe(0);
    expect(await reconcile(ledger.database)).toMatchObject(onceEach(300));
    const registry = createNatsJournalRegistry(openLink(asUser("providers"), { service: "providers", logger }));
    const report = create(ReportJournalRequestSchema, { journalId: "jrn_1", opened: [usageEvent({ attempt: 1 }).intent!] });
    expect(await registry.report(report, AbortSignal.timeout(5_000))).toMatchObject({ state: JournalState.OPEN });
    expect(lines.filter((line) => line.includes("ermission"))).toEqual([]);

    await expectRefused(asUser("providers"), { publish: ["weir.confirmed.other", "weir.inbox.providers.x", "$JS.API.STREAM.DELETE.WEIR_USAGE", "$JS.API.STREAM.MSG.GET.WEIR_USAGE", "$JS.API.CONSUMER.MSG.NEXT.WEIR_USAGE.metering"], subscribe: ["weir.usage.>", "weir.inbox.metering.>", "weir.journals"] });
    await expectRefused(asUser("metering"), { publish: ["weir.usage.org_a.x", "weir.inbox.providers.x", "$JS.API.STREAM.DELETE.WEIR_USAGE", "$JS.API.STREAM.PURGE.WEIR_USAGE"], subscribe: ["weir.usage.>", "weir.confirmed.>"] });
  });
});
