/** A photo made smaller before it is sent: what nobody will see need not be paid for on the road. */

/** Pixels of the longer side above which a photo is made smaller. */
export const LONGEST = 2560;
const QUALITY = 0.88;
/** What is small in bytes goes as it is, whatever its size in pixels. */
const LIGHT = 400 * 1024;

/** Never throws: what this browser cannot decode is the server's to judge. */
export async function shrink(file: File): Promise<Blob> {
  try {
    if (file.size <= LIGHT && file.type !== "image/heic" && file.type !== "image/heif") return file;
    // Turned upright here: a canvas forgets how the camera was held.
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    try {
      const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
      if (scale === 1 && /^image\/(jpeg|png|webp|avif)$/.test(file.type)) return file;
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(picture.width * scale));
      canvas.height = Math.max(1, Math.round(picture.height * scale));
      const context = canvas.getContext("2d");
      if (context === null) return file;
      // Behind what is transparent: JPEG has no such thing.
      context.fillStyle = "#ffffff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.imageSmoothingQuality = "high";
      context.drawImage(picture, 0, 0, canvas.width, canvas.height);
      const made = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
      return made !== null && (made.size < file.size || scale === 1) ? made : file;
    } finally {
      picture.close();
    }
  } catch {
    return file;
  }
}
