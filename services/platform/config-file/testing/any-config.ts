/** Owns the arbitrary configurations of the property tests: mostly valid ones, with text that YAML and `${NAME}` could misread. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { type Config, ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";

type Init = MessageInitShape<typeof ConfigSchema>;

const trickyText = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc.constantFrom("", " ", "~", "null", "true", "no", "1e3", "0x1F", "2026-01-31", "- a", "a: b", "# a", "*a", "&a", "!a", "%a", "'", '"', "\\", "a\nb\n", "\ta", "${A}", "$${A}", "$$", "${"),
);
const name = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,10}$/);
const routeName = fc.oneof(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,10}$/), fc.constantFrom("1", "1.10", "true", "null", "constructor"));
const price = fc.constantFrom("", "0", "2.50", "15", "0.000001");
const duration = fc.record({ seconds: fc.bigInt({ min: 1n, max: 60n }), nanos: fc.constantFrom(0, 1, 500_000_000, 999_999_999) });

/** Every field is sometimes absent. */
const init: fc.Arbitrary<Init> = fc.record(
  {
    listen: fc.record({ address: fc.ipV4(), port: fc.nat(65535), adminPort: fc.nat(65535) }, { requiredKeys: [] }),
    providers: fc.dictionary(
      name,
      fc.record(
        {
          vendor: fc.string({ minLength: 1, maxLength: 10 }),
          apiKey: trickyText,
          baseUrl: fc.constantFrom("https://vendor.example/v1", "http://127.0.0.1:4010"),
          models: fc.uniqueArray(trickyText.filter((text) => text !== ""), { maxLength: 3 }),
          onlyListedModels: fc.boolean(),
          connectTimeout: duration,
          firstByteTimeout: duration,
          idleTimeout: duration,
          maxConnections: fc.integer({ min: 1, max: 65536 }),
        },
        { requiredKeys: ["vendor"] },
      ),
      { maxKeys: 3 },
    ),
    routes: fc.dictionary(routeName, fc.record({ targets: fc.array(trickyText.map((model) => `openai/${model}`), { minLength: 1, maxLength: 3 }) }), { maxKeys: 3 }),
    prices: fc.dictionary(trickyText, fc.record({ input: price, cachedInput: price, cacheWrite5m: price, cacheWrite1h: price, output: price }, { requiredKeys: [] }), { maxKeys: 3 }),
    limits: fc.record(
      {
        maxBodyBytes: fc.bigInt({ min: 1024n, max: 536_870_912n }),
        maxConcurrentRequests: fc.integer({ min: 1, max: 1_000_000 }),
        requestTimeout: duration,
        maxJournalBytes: fc.bigInt({ min: 1_048_576n, max: 1_099_511_627_776n }),
      },
      { requiredKeys: [] },
    ),
    cors: fc.record({ allowedOrigins: fc.array(fc.constantFrom("*", "https://app.example.com", "http://127.0.0.1:5173"), { maxLength: 2 }) }),
    breaker: fc.record({ failurePercentage: fc.integer({ min: 1, max: 100 }), minimumCalls: fc.integer({ min: 1, max: 100_000 }), window: duration, openTime: duration }, { requiredKeys: [] }),
    logging: fc.record({ level: fc.constantFrom("", "debug", "info", "warn", "error") }),
  },
  { requiredKeys: [] },
);

export const anyConfig: fc.Arbitrary<Config> = init.map((fields) => create(ConfigSchema, fields));
