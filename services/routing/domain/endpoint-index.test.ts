import { expect, test } from "vitest";
import type { Dialect, Endpoint } from "./dialect.ts";
import { EndpointIndex } from "./endpoint-index.ts";

const dialect = (name: string, ...paths: string[]): Dialect => ({
  name,
  claims: () => false,
  readCredential: () => undefined,
  requestHeaders: [],
  endpoints: paths.map((path): Endpoint => ({ operation: "listModels", method: "GET", path, writeReply: () => ({}) })),
  writeError: () => ({ status: 500, headers: {}, body: "" }),
});

const index = new EndpointIndex([
  dialect("plain", "/v1/models", "/v1/models/{model}"),
  dialect("patterned", "/v1/models", "/v1/models/{model}:generate", "/v1/models/{model}:generateMore"),
]);

test.each([
  ["/v1/models", [["plain", "/v1/models", ""], ["patterned", "/v1/models", ""]]],
  ["/v1/models/m", [["plain", "/v1/models/{model}", "m"]]],
  ["/v1/models/p/m", [["plain", "/v1/models/{model}", "p/m"]]],
  ["/v1/models/p%2Fm", [["plain", "/v1/models/{model}", "p/m"]]],
  ["/v1/models/p/m:generate", [["plain", "/v1/models/{model}", "p/m:generate"], ["patterned", "/v1/models/{model}:generate", "p/m"]]],
  ["/v1/models/m:8b:generateMore", [["plain", "/v1/models/{model}", "m:8b:generateMore"], ["patterned", "/v1/models/{model}:generateMore", "m:8b"]]],
  ["/v1/models/%E0%A4%A", [["plain", "/v1/models/{model}", "%E0%A4%A"]]],
  ["/v1/models/", []],
  ["/v1/model", []],
  ["", []],
])("at %s", (path, expected) => {
  expect(index.at(path).map(({ dialect: { name }, endpoint, model }) => [name, endpoint.path, model])).toEqual(expected);
});

test("a model's place holds one character at least", () => {
  expect(new EndpointIndex([dialect("patterned", "/models/{model}:generate")]).at("/models/:generate")).toEqual([]);
});
