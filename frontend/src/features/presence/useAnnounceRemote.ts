/** Says politely what others changed, from the marks that their changes leave; batched. */
import { useEffect, useRef } from "react";
import { sentences } from "../../i18n/format";
import { useRoom, useRoomState } from "../../store";
import { announce } from "../../ui/announce";
import { useText } from "../room/useText";
import { useNameOf } from "../talk/people";

export function useAnnounceRemote(): void {
  const glow = useRoomState((s) => s.glow);
  const room = useRoom();
  const { t, name, dayName } = useText();
  const nameOf = useNameOf();
  const said = useRef(new Map<string, number>());
  useEffect(() => {
    const state = room.store.getState();
    const lines = new Map<string, string[]>();
    for (const [id, mark] of glow) {
      if (said.current.get(id) === mark.until) continue;
      said.current.set(id, mark.until);
      const who = nameOf(mark.author);
      const stop = state.stops.get(id);
      const day = state.days.find((each) => each.id === id);
      const moved = mark.fields.includes("pos") || mark.fields.includes("day_id");
      const key = mark.fields.includes("deleted") && !stop ? "removedStop" : mark.fields.includes("name") && mark.fields.includes("pos") ? "addedStop" : moved ? "movedStop" : "changedStop";
      const line = stop ? t(`live.${key}`, { who, what: name(stop) })
        : day ? t("live.changedStop", { who, what: dayName(day, { n: state.days.indexOf(day) + 1, color: 0 }) })
        : id === state.trip?.id ? t("live.changedTrip", { who }) : null;
      if (line) lines.set(who, [...(lines.get(who) ?? []), line]);
    }
    for (const [who, each] of lines) announce(each.length > 3 ? t("live.many", { who, count: each.length }) : sentences(t, each[0] ?? "", ...each.slice(1)));
    if (said.current.size > 500) said.current.clear();
  }, [glow, room, t]); // name, dayName and nameOf follow t and the room
}
