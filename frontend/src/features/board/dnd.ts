/** The rules of dragging on the board: one gap behind each stop and one at the top of each list.
    A drop place is the gap whose line is nearest; nothing moves until the drop. */
import type { CollisionDetection, KeyboardCoordinateGetter } from "@dnd-kit/core";
import { KeyboardSensor, MouseSensor, TouchSensor, useSensor, useSensors } from "@dnd-kit/core";
import { KeyboardCode } from "@dnd-kit/core";

export interface Gap {
  /** A day's id, or null for the ideas. */
  day: string | null;
  /** The stop before the gap, or null at the top. */
  after: string | null;
}

export const gapId = (gap: Gap): string => `gap:${gap.day ?? ""}:${gap.after ?? ""}`;

export const nearestGap: CollisionDetection = ({ pointerCoordinates, collisionRect, droppableContainers, droppableRects }) => {
  const y = pointerCoordinates?.y ?? collisionRect.top;
  let best: { id: string | number; distance: number; container: (typeof droppableContainers)[number] } | null = null;
  for (const container of droppableContainers) {
    const rect = droppableRects.get(container.id);
    if (!rect) continue;
    const distance = Math.abs(rect.bottom - y);
    if (!best || distance < best.distance) best = { id: container.id, distance, container };
  }
  return best ? [{ id: best.id, data: { droppableContainer: best.container, value: best.distance } }] : [];
};

/** Arrow keys step from one gap to the next. */
export const stepGap: KeyboardCoordinateGetter = (event, { currentCoordinates, context }) => {
  const down = event.code === KeyboardCode.Down;
  if (!down && event.code !== KeyboardCode.Up) return undefined;
  event.preventDefault();
  const here = context.over ? (context.droppableRects.get(context.over.id)?.bottom ?? currentCoordinates.y) : currentCoordinates.y;
  // The gap behind the stop itself is where it already is.
  const own = `:${String(context.active?.id)}`;
  const lines = context.droppableContainers.getEnabled()
    .filter((container) => !String(container.id).endsWith(own))
    .map((container) => context.droppableRects.get(container.id)?.bottom)
    .filter((bottom): bottom is number => bottom !== undefined)
    .sort((a, b) => a - b);
  const next = down ? lines.find((line) => line > here + 1) : lines.findLast((line) => line < here - 1);
  return next === undefined ? undefined : { x: currentCoordinates.x, y: next };
};

export function useBoardSensors() {
  return useSensors(
    useSensor(MouseSensor, { activationConstraint: { distance: 6 } }),
    useSensor(TouchSensor, { activationConstraint: { delay: 260, tolerance: 8 } }),
    useSensor(KeyboardSensor, { coordinateGetter: stepGap }),
  );
}

/** What a drop means: which stops move behind which, or nothing when they stay where they are. */
export function moveFor(ids: readonly string[], gap: Gap, list: readonly string[]): { ids: string[]; day: string | null; after: string | null } | null {
  const moving = new Set(ids);
  let after = gap.after;
  if (after !== null && moving.has(after)) {
    const at = list.indexOf(after);
    after = list.slice(0, at).findLast((id) => !moving.has(id)) ?? null;
  }
  const rest = list.filter((id) => !moving.has(id));
  const index = after === null ? 0 : rest.indexOf(after) + 1;
  const next = [...rest.slice(0, index), ...ids, ...rest.slice(index)];
  const same = next.length === list.length && next.every((id, n) => id === list[n]);
  return same ? null : { ids: [...ids], day: gap.day, after };
}
