import { Sparkles } from "lucide-react";
import { useSession } from "../../app/session";
import { useIsMember, useRoomState, usePeople, type PersonGroup } from "../../store";
import { Avatar } from "../../ui/Avatar";
import { Popover } from "../../ui/Popover";
import { markOf } from "../room/itinerary";
import { focusStop } from "../room/useRoomKeys";
import { useText } from "../room/useText";
import { view } from "../room/view";
import { scrollToDay } from "../board/DayStrip";

/** Faces of everybody here, one a person, however many windows they have open. */
export function Facepile({ max }: { max: number }) {
  const { t, language } = useText();
  const people = usePeople();
  const assistant = useAssistantHere();
  const sorted = [...people].sort((a, b) => Number(a.me) - Number(b.me));
  if (sorted.length === 0) return <div data-testid="facepile" data-count={0} />;
  const shown = sorted.slice(0, max);
  const rest = sorted.length - shown.length;
  const names = [...sorted.map((person) => (person.me ? t("common.you") : person.name)), ...(assistant ? [t("ai.name")] : [])].join(language === "zh" ? "、" : ", ");
  return (
    <Popover
      label={t("people.here")}
      align="end"
      trigger={
        <button type="button" className="facepile" data-testid="facepile" data-count={sorted.length} aria-label={t("people.facepile", { names })}>
          {shown.map((person) => (
            <span key={person.user} className={`face-ring ${person.me ? "face-me" : ""}`} data-who={person.color % 8} data-testid={`face-${person.user}`}>
              <Avatar name={person.name} color={person.color} size={26} />
            </span>
          ))}
          {rest > 0 ? <span className="face-rest num">+{rest}</span> : null}
          {assistant ? <span className="face-ring face-assistant"><AssistantFace size={26} /></span> : null}
        </button>
      }
    >
      <ul className="people-pop">
        {sorted.map((person) => <li key={person.user}><PersonLine person={person} /></li>)}
        {assistant ? <li><AssistantLine /></li> : null}
      </ul>
    </Popover>
  );
}

/** The assistant is one of the room where there is one; visitors do not hear of it. */
export const useAssistantHere = (): boolean => {
  const has = useSession((s) => s.features["assistant"] === true);
  return useIsMember() && has;
};

export function AssistantFace({ size }: { size: number }) {
  return <span className="avatar avatar-assistant" style={{ width: size, height: size }} aria-hidden><Sparkles size={Math.round(size * 0.55)} /></span>;
}

/** Choosing it opens the place to ask. */
export function AssistantLine() {
  const { t } = useText();
  return (
    <button type="button" className="person-line" title={t("ai.member")} data-testid="assistant-member" onClick={() => view.show("assistant")}>
      <span className="face-ring face-assistant"><AssistantFace size={28} /></span>
      <span className="person-words"><b>{t("ai.name")}</b><small>{t("ai.answers")}</small></span>
    </button>
  );
}

/** Who, and what they look at; choosing them goes there. */
export function PersonLine({ person }: { person: PersonGroup }) {
  const { t, name, dayName } = useText();
  const tab = person.tabs.find((each) => each.editing) ?? person.tabs.find((each) => each.looking) ?? person.tabs[0];
  const focus = tab?.editing ?? tab?.looking ?? null;
  const what = useRoomState((s) => {
    if (!focus) return null;
    if (focus.t === "stop") return s.stops.has(focus.id) ? name(s.stops.get(focus.id)) : null;
    if (focus.t === "day") return dayName(s.days.find((day) => day.id === focus.id), markOf(s, focus.id));
    return focus.t === "trip" ? (s.trip?.title ?? null) : null;
  });
  const doing = focus?.field === "chat" ? t("talk.inChat") : what && focus?.field === "comment" ? t("talk.commenting", { what }) : what ? t(tab?.editing ? "people.editing" : "people.looking", { what }) : t("people.idle");
  function go(): void {
    if (!focus) return;
    view.setTab("plan");
    window.setTimeout(() => {
      if (focus.t === "stop") {
        view.fit("stop", focus.id);
        focusStop(focus.id);
      } else if (focus.t === "day") {
        view.setDay(focus.id);
        scrollToDay(focus.id);
      }
    });
  }
  const body = (
    <>
      <span className="face-ring" data-who={person.color % 8}><Avatar name={person.name} color={person.color} size={28} /></span>
      <span className="person-words">
        <b>{person.me ? t("people.itsMe", { name: person.name }) : person.name}</b>
        <small>{doing}{person.tabs.length > 1 ? ` · ${t("people.tabs", { count: person.tabs.length })}` : ""}</small>
      </span>
    </>
  );
  if (person.me || !focus) return <div className="person-line">{body}</div>;
  return <button type="button" className="person-line" title={t("people.follow", { name: person.name })} onClick={go}>{body}</button>;
}
