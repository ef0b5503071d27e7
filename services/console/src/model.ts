/** Owns what is read out of what is known of a model. */
import type { Model } from "#gen/weir/inference/v1/inference_service_pb.ts";

/** Whether it writes, as far as that is known. */
export function isGenerating({ facts }: Model): boolean {
  return facts === undefined || facts.operation === "generate";
}

/** Where it can be tried. */
export function tryPath(name: string): string {
  return `/try?model=${encodeURIComponent(name)}`;
}
