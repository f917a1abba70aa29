/** Other people's pointers over the board, and telling them where mine is. Positions are fractions
    of the day or stop beneath, so that they fit every width and scroll position. */
import { MousePointer2 } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useCursors, usePeople, useRoomClient } from "../../store";

interface Spot {
  x: number;
  y: number;
}

function locate(anchor: string, x: number, y: number, board: HTMLElement): Spot | null {
  const node = board.querySelector(`[data-anchor="${CSS.escape(anchor)}"]`);
  if (!node) return null;
  const rect = node.getBoundingClientRect();
  const frame = board.getBoundingClientRect();
  const spot = { x: rect.left + rect.width * x - frame.left, y: rect.top + rect.height * y - frame.top };
  return spot.y < 44 || spot.y > frame.height ? null : spot;
}

export function BoardCursors() {
  const layer = useRef<HTMLDivElement>(null);
  const client = useRoomClient();
  const cursors = useCursors();
  const people = usePeople();
  const [, redraw] = useState(0);

  useEffect(() => {
    const board = layer.current?.parentElement;
    if (!board) return;
    const onMove = (event: PointerEvent) => {
      if (event.pointerType !== "mouse") return;
      const node = (event.target as Element).closest<HTMLElement>("[data-anchor]");
      const anchor = node?.dataset["anchor"];
      if (!node || !anchor) {
        client.moveCursor(null);
        return;
      }
      const rect = node.getBoundingClientRect();
      const part = (value: number) => Math.round(value * 1000) / 1000;
      client.moveCursor({ surface: "board", anchor, x: part((event.clientX - rect.left) / rect.width), y: part((event.clientY - rect.top) / rect.height) });
    };
    const onLeave = () => client.moveCursor(null);
    const scroller = board.querySelector(".board-scroll");
    const onScroll = () => redraw((n) => n + 1);
    board.addEventListener("pointermove", onMove);
    board.addEventListener("pointerleave", onLeave);
    scroller?.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      board.removeEventListener("pointermove", onMove);
      board.removeEventListener("pointerleave", onLeave);
      scroller?.removeEventListener("scroll", onScroll);
    };
  }, [client]);

  const board = layer.current?.parentElement;
  const spots = !board ? [] : [...cursors.values()].flatMap((pointer) => {
    if (pointer.surface !== "board" || !pointer.anchor) return [];
    const person = people.find((each) => each.tabs.some((tab) => tab.session === pointer.session));
    const spot = person ? locate(pointer.anchor, pointer.x ?? 0, pointer.y ?? 0, board) : null;
    return person && spot ? [{ pointer, person, spot }] : [];
  });
  return (
    <div ref={layer} className="cursor-layer" aria-hidden>
      {spots.map(({ pointer, person, spot }) => (
        <span key={pointer.session} className="cursor" data-who={person.color % 8} style={{ transform: `translate(${spot.x}px, ${spot.y}px)` }}>
          <MousePointer2 size={17} fill="currentColor" />
          <b>{person.name}</b>
        </span>
      ))}
    </div>
  );
}
