/** Owns docs/weir.schema.json: writes it from the proto of the configuration, or with `--check` tells whether it is up to date. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createFileRegistry, type DescField, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { jsonSchemaOf } from "#platform/config-file/json-schema.ts";

const schemaPath = "docs/weir.schema.json";

const written = `${JSON.stringify(generate(), undefined, 2)}\n`;
if (process.argv.includes("--check")) {
  if (readCurrent() !== written) {
    console.error(`${schemaPath} does not match proto/weir/config/v1. Run: npm run generate`);
    process.exitCode = 1;
  }
} else {
  mkdirSync("docs", { recursive: true });
  writeFileSync(schemaPath, written);
}

function generate(): unknown {
  // The generated code has no comments; an image of buf has.
  const image = execFileSync("node_modules/.bin/buf", ["build", "--path", "proto/weir/config", "-o", "-#format=binpb"], { maxBuffer: 64 * 1024 * 1024 });
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
  const config = registry.getMessage("weir.config.v1.Config");
  if (config === undefined) throw new Error("proto/weir/config/v1/config.proto no longer declares weir.config.v1.Config.");
  return jsonSchemaOf(config, commentOf);
}

/** The comment above a field of a message that is not nested in another. */
function commentOf(field: DescField): string {
  const { file } = field.parent;
  const path = [4, file.messages.indexOf(field.parent), 2, field.parent.fields.indexOf(field)];
  const location = file.proto.sourceCodeInfo?.location.find((candidate) => candidate.path.join() === path.join());
  return (location?.leadingComments ?? "").trim().replace(/\s*\n\s*/g, " ");
}

function readCurrent(): string {
  try {
    return readFileSync(schemaPath, "utf8");
  } catch {
    return "";
  }
}
