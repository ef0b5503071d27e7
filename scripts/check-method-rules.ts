/** Owns the check that every method of Weir's own services declares its rule. */
import { globSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type DescService } from "@bufbuild/protobuf";
import { missingRules } from "./method-rules.ts";

const files = globSync("gen/weir/**/*_pb.ts");
const modules = await Promise.all(files.map((file) => import(pathToFileURL(file).href) as Promise<Record<string, unknown>>));
const services = modules.flatMap((module) => Object.values(module)).filter(isService);
if (services.length === 0) throw new Error("gen/weir holds no service: run `npm run generate`, in the project's folder.");

const missing = missingRules(services);
if (missing.length > 0) {
  console.error(missing.join("\n"));
  process.exitCode = 1;
}

function isService(value: unknown): value is DescService {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "service";
}
