/** Tells of what others say while one looks elsewhere: politely to screen readers, and as a short note
    when one is mentioned and the talk is not on the screen. */
import { useEffect, useRef } from "react";
import { ASSISTANT } from "../../protocol.gen";
import { useRoom } from "../../store";
import { announce } from "../../ui/announce";
import { toast } from "../../ui/toast";
import { markOf } from "../room/itinerary";
import { useText } from "../room/useText";
import { useView, view } from "../room/view";
import { openComment } from "./anchor";

const MAX_SAID = 160;

export function useAnnounceTalk(): void {
  const room = useRoom();
  const text = useText();
  const words = useRef(text);
  words.current = text;
  useEffect(() => room.client.talk.onMessage((message) => {
    const { t, name, dayName } = words.current;
    const state = room.store.getState();
    if (message.author === state.me.user || message.text === "" || state.me.user === null) return;
    const who = message.author === ASSISTANT ? t("talk.assistant") : (state.members.get(message.author)?.name ?? t("common.someone"));
    const said = message.text.slice(0, MAX_SAID);
    const { about } = message;
    const what = about === null ? "" : about.t === "stop" ? name(state.stops.get(about.id))
      : about.t === "day" ? dayName(state.days.find((day) => day.id === about.id), markOf(state, about.id)) : (state.trip?.title ?? "");
    announce(message.channel === "comment" ? t("talk.commentedOn", { name: who, what, text: said }) : t("talk.said", { name: who, text: said }));
    if (!message.mentions.includes(state.me.user) || isShown(message.channel)) return;
    const open = () => (message.channel === "comment" && about !== null ? openComment(about, message.id) : view.toMessage(message.id));
    toast(t("talk.mentioned", { name: who, text: said.slice(0, 60) }), { action: { label: t("talk.open"), run: open }, ms: 10_000 });
  }), [room]);
}

function isShown(channel: "chat" | "comment"): boolean {
  const { drawer, tab, talkFilter } = useView.getState();
  const talk = window.innerWidth < 720 ? tab === "talk" : drawer === "talk";
  return talk && (channel === "chat") === (talkFilter === "chat");
}
