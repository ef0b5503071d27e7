/** Owns the events of one candidate of a streamed reply: its parts in their order, begun, grown and ended. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Part, PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import type { PartDelta, PartDeltaSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { StreamEventInit } from "../adapter.ts";
import type { GeneratedText } from "../usage/generated-output.ts";

export type PartInit = Exclude<MessageInitShape<typeof PartSchema>, Part>;
type DeltaInit = Omit<Exclude<MessageInitShape<typeof PartDeltaSchema>, PartDelta>, "candidateIndex" | "partIndex" | "$typeName" | "$unknown">;

export class CandidateEvents {
  readonly #index: number;
  readonly #open = new Set<number>();
  #nextPart = 0;
  #events: StreamEventInit[] = [];
  readonly #output: GeneratedText;

  /** @param output takes what all candidates generate */
  constructor(index: number, output: GeneratedText) {
    this.#index = index;
    this.#output = output;
  }

  /** Begins a part, and gives its index. */
  begin(part: PartInit): number {
    const partIndex = this.#nextPart++;
    this.#open.add(partIndex);
    this.emit({ case: "partStart", value: { candidateIndex: this.#index, partIndex, part } });
    return partIndex;
  }

  /** @param output what of the delta was generated */
  grow(partIndex: number, delta: DeltaInit, output: string): void {
    this.#output.add(output);
    this.emit({ case: "partDelta", value: { candidateIndex: this.#index, partIndex, ...delta } });
  }

  end(partIndex: number): void {
    this.#open.delete(partIndex);
    this.emit({ case: "partEnd", value: { candidateIndex: this.#index, partIndex } });
  }

  /** A part that comes in one piece. */
  addWhole(part: PartInit): void {
    this.end(this.begin(part));
  }

  endAll(): void {
    for (const partIndex of this.#open) this.end(partIndex);
  }

  emit(event: NonNullable<StreamEventInit["event"]>): void {
    this.#events.push({ event });
  }

  /** The events since the last time. */
  take(): StreamEventInit[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }
}
