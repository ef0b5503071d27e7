/** Owns InferenceService as a whole: which file answers which of its RPCs. */
import type { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";
import { cancelBatchByRpc } from "./cancel-batch.ts";
import { createBatch } from "./create-batch.ts";
import { deleteFile } from "./delete-file.ts";
import { editImages } from "./edit-images.ts";
import { generate } from "./generate.ts";
import { getBatch } from "./get-batch.ts";
import { getFile } from "./get-file.ts";
import { listBatchesPage } from "./list-batches.ts";
import { listFilesPage } from "./list-files.ts";
import { listModelsPage } from "./list-models.ts";
import { readFileByRpc } from "./read-file.ts";
import { streamGenerate } from "./stream-generate.ts";
import { synthesizeSpeech } from "./synthesize-speech.ts";
import { transcribe } from "./transcribe.ts";
import { callUnary } from "./unary.ts";
import { uploadFileByRpc } from "./upload-file.ts";
import type { InferenceDependencies } from "./inference-dependencies.ts";

export function createInferenceService(dependencies: InferenceDependencies): ServiceInterface<typeof InferenceService> {
  return {
    generate: (request, context) => generate(request, context, dependencies),
    streamGenerate: (request, context) => streamGenerate(request, context, dependencies),
    embed: (request, context) => callUnary("embed", request, context, dependencies),
    countTokens: (request, context) => callUnary("countTokens", request, context, dependencies),
    moderate: (request, context) => callUnary("moderate", request, context, dependencies),
    rerank: (request, context) => callUnary("rerank", request, context, dependencies),
    generateImages: (request, context) => callUnary("generateImages", request, context, dependencies),
    editImages: (request, context) => editImages(request, context, dependencies),
    synthesizeSpeech: (request, context) => synthesizeSpeech(request, context, dependencies),
    transcribe: (request, context) => transcribe(request, context, dependencies),
    listModels: (request, context) => listModelsPage(request, context, dependencies),
    uploadFile: (request, context) => uploadFileByRpc(request, context, dependencies),
    getFile: (request, context) => getFile(request, context, dependencies),
    listFiles: (request, context) => listFilesPage(request, context, dependencies),
    deleteFile: (request, context) => deleteFile(request, context, dependencies),
    readFile: (request, context) => readFileByRpc(request, context, dependencies),
    createBatch: (request, context) => createBatch(request, context, dependencies),
    getBatch: (request, context) => getBatch(request, context, dependencies),
    listBatches: (request, context) => listBatchesPage(request, context, dependencies),
    cancelBatch: (request, context) => cancelBatchByRpc(request, context, dependencies),
  };
}
