import { BedDouble, Landmark, MapPin, Mountain, ShoppingBag, Ticket, TrainFront, UtensilsCrossed } from "lucide-react";
import type { StopKind } from "../../protocol.gen";

export const KIND_ICONS = {
  sight: Landmark, food: UtensilsCrossed, lodging: BedDouble, transport: TrainFront, activity: Ticket, shopping: ShoppingBag,
  nature: Mountain, other: MapPin,
} as const satisfies Record<StopKind, typeof MapPin>;

export function KindIcon({ kind, size = 15 }: { kind: StopKind; size?: number }) {
  const Icon = KIND_ICONS[kind] ?? MapPin;
  return <Icon size={size} strokeWidth={1.9} aria-hidden />;
}
