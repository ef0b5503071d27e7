/** Owns which operation of a key's scope a method of InferenceService belongs to. */
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";

const { uploadFile, getFile, listFiles, deleteFile, readFile, createBatch, getBatch, listBatches, cancelBatch } = InferenceService.method;
/** Files, and batches of them, are kept by those who may send them to a model. */
const aboutFiles: ReadonlySet<string> = new Set([uploadFile, getFile, listFiles, deleteFile, readFile, createBatch, getBatch, listBatches, cancelBatch].map(({ name }) => name));

/** By the method's name; a stream is a form of its operation, not one of its own. */
export function scopeOperationOf(method: string): string {
  return aboutFiles.has(method) ? InferenceService.method.generate.name : method.replace(/^Stream/, "");
}
