/** Owns InferenceService.EditImages. */
import { create } from "@bufbuild/protobuf";
import { EditImagesResponseSchema, type EditImagesRequest, type EditImagesResponse } from "#gen/weir/inference/v1/image_edit_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { InferenceDependencies } from "./inference-dependencies.ts";
import { relayNative } from "./native-relay.ts";
import { callUnary } from "./unary.ts";

export async function editImages(request: EditImagesRequest, context: CallContext, dependencies: InferenceDependencies): Promise<EditImagesResponse> {
  const { model, labels, native, images } = request;
  if (native !== undefined) return create(EditImagesResponseSchema, await relayNative("editImages", { model, labels, native, path: "/v1/images/edits" }, context, dependencies));
  if (images.length === 0) throw new GatewayError("INVALID_REQUEST", "images: Send at least one, or a native payload.", { fieldViolations: [{ field: "images", description: "empty" }] });
  return callUnary("editImages", request, context, dependencies);
}
