/** A photo of the trip in the space that its size says, with its colour until it is there. */
import { ImageOff } from "lucide-react";
import { useState } from "react";
import type { Photo } from "../../protocol.gen";

const WIDTHS = [320, 960, 1920] as const;

export const photoUrl = (tripId: string, photo: string, width: (typeof WIDTHS)[number]): string =>
  `/api/trips/${encodeURIComponent(tripId)}/photos/${encodeURIComponent(photo)}/${width}`;

export function Picture({ tripId, photo, alt, sizes, className, eager }: {
  tripId: string;
  photo: Photo;
  alt: string;
  /** How wide it is shown, as `<img sizes>` takes it. */
  sizes: string;
  className?: string;
  eager?: boolean;
}) {
  const [told, setTold] = useState<{ id: string; state: "ready" | "failed" } | null>(null);
  const state = told?.id === photo.id ? told.state : "loading";
  return (
    <span className={`picture ${className ?? ""}`} data-state={state} style={{ backgroundColor: photo.color }}>
      <img
        key={photo.id}
        alt={alt}
        src={photoUrl(tripId, photo.id, 960)}
        srcSet={WIDTHS.map((width) => `${photoUrl(tripId, photo.id, width)} ${Math.min(width, photo.width)}w`).join(", ")}
        sizes={sizes}
        width={photo.width}
        height={photo.height}
        loading={eager ? "eager" : "lazy"}
        decoding="async"
        draggable={false}
        onLoad={() => setTold({ id: photo.id, state: "ready" })}
        onError={() => setTold({ id: photo.id, state: "failed" })}
      />
      {state === "failed" ? <ImageOff size={18} aria-hidden /> : null}
    </span>
  );
}
