import type { KeyboardEvent, PointerEvent } from "react";
import { useText } from "./useText";
import { BOARD_MAX, BOARD_MIN, useView, view } from "./view";

/** The edge between board and map: drag it, or move it with the arrow keys. */
export function Resizer() {
  const { t } = useText();
  const width = useView((s) => s.boardWidth);
  function onPointerDown(event: PointerEvent<HTMLDivElement>): void {
    event.currentTarget.setPointerCapture(event.pointerId);
  }
  function onPointerMove(event: PointerEvent<HTMLDivElement>): void {
    if (event.currentTarget.hasPointerCapture(event.pointerId)) view.setBoardWidth(event.clientX);
  }
  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === "ArrowLeft") view.setBoardWidth(width - 16);
    else if (event.key === "ArrowRight") view.setBoardWidth(width + 16);
  }
  return (
    <div
      className="resizer"
      role="separator"
      aria-orientation="vertical"
      aria-label={t("room.resize")}
      aria-valuemin={BOARD_MIN}
      aria-valuemax={BOARD_MAX}
      aria-valuenow={width}
      tabIndex={0}
      onPointerDown={onPointerDown}
      onPointerMove={onPointerMove}
      onKeyDown={onKeyDown}
      onDoubleClick={() => view.setBoardWidth(440)}
    />
  );
}
