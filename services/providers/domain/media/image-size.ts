/** Owns what a size in pixels means to vendors that take sides or a ratio instead. */

/** Of `1536x1024`; undefined for a vendor's word such as `auto`. */
export function sidesOf(size: string | undefined): { readonly width: number; readonly height: number } | undefined {
  const [, width, height] = /^([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(size ?? "") ?? [];
  return width === undefined || height === undefined ? undefined : { width: Number(width), height: Number(height) };
}

/** `3:2` of `1536x1024`; the ratio itself where one was asked for; undefined when neither says it. */
export function aspectRatioOf({ size, aspectRatio }: { readonly size?: string | undefined; readonly aspectRatio?: string | undefined }): string | undefined {
  if (aspectRatio !== undefined) return aspectRatio;
  const sides = sidesOf(size);
  if (sides === undefined) return undefined;
  const divisor = greatestCommonDivisor(sides.width, sides.height);
  return `${sides.width / divisor}:${sides.height / divisor}`;
}

function greatestCommonDivisor(left: number, right: number): number {
  return right === 0 ? left : greatestCommonDivisor(right, left % right);
}
