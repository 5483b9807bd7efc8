/** Which files are images: by name before they are opened, by content before they are decoded. */

const EXTENSIONS = /.\.(?:jpe?g|jpe|jfif|png|webp)$/i;

/** Bytes of a file's beginning that `isImageContent` looks at. */
export const IMAGE_HEAD = 12;

export function isImageName(name: string): boolean {
  return EXTENSIONS.test(name.slice(name.lastIndexOf('/') + 1));
}

/** Whether a file that begins so is a JPEG, PNG or WebP. */
export function isImageContent(head: Uint8Array): boolean {
  const has = (at: number, bytes: readonly number[]) => bytes.every((byte, i) => head[at + i] === byte);
  const jpeg = has(0, [0xff, 0xd8, 0xff]);
  const png = has(0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const webp = has(0, [0x52, 0x49, 0x46, 0x46]) && has(8, [0x57, 0x45, 0x42, 0x50]); // RIFF, WEBP
  return jpeg || png || webp;
}
