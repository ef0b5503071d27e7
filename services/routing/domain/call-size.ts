/** Owns how large a call is, as far as limits count it. */
import { toBinary } from "@bufbuild/protobuf";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { AskedGeneration, AskedUnary } from "./asked-forms.ts";
import { lazyValue } from "./lazy-value.ts";
import { assumedOutputTokens, estimateBytes, estimateGeneration, noTokens, type TokenCount } from "./rate-limits/token-estimate.ts";
import type { UnaryName } from "./unary-operation.ts";

export interface CallSize {
  readonly isStream: boolean;
  /** An estimate, made when it is first asked for. */
  readonly tokens: () => TokenCount;
}

/** Of what no limit counts but as a request. */
export const noSize: CallSize = { isStream: false, tokens: () => noTokens };

export function sizeOfGeneration(asked: AskedGeneration): CallSize {
  return { isStream: asked.stream, tokens: lazyValue(() => generationTokens(asked)) };
}

export function sizeOfUnary<Name extends UnaryName>(asked: AskedUnary<Name>): CallSize {
  const { operation, native } = asked;
  return { isStream: false, tokens: lazyValue(() => estimateBytes(native?.body.length ?? toBinary(InferenceService.method[operation].input, asked.toRequest()).length)) };
}

function generationTokens(asked: AskedGeneration): TokenCount {
  try {
    return estimateGeneration(asked.toGeneration());
  } catch {
    // As in needsFor: the target that must read it says what is wrong.
    return { ...estimateBytes(asked.native?.body.length ?? 0), output: assumedOutputTokens };
  }
}
