import { useShallow } from "zustand/react/shallow";
import type { RecordType } from "../../protocol.gen";
import { useRoomState } from "../../store";
import { Avatar } from "../../ui/Avatar";
import { useText } from "../room/useText";

/** Faces of the others who look at, or edit, this record. */
export function RowFaces({ t: type, id }: { t: RecordType; id: string }) {
  const { t } = useText();
  const people = useRoomState(useShallow((s) => s.people.filter((person) => person.tabs.some((tab) => {
    const focus = tab.editing ?? tab.looking;
    return tab.session !== s.me.session && focus?.t === type && focus.id === id;
  }))));
  if (people.length === 0) return null;
  const names = people.map((person) => person.name).join(", ");
  return (
    <span className="row-faces" role="img" aria-label={t("stop.lookingAt", { name: names })} title={t("stop.lookingAt", { name: names })}>
      {people.slice(0, 3).map((person) => <Avatar key={person.user} name={person.name} color={person.color} size={20} />)}
    </span>
  );
}
