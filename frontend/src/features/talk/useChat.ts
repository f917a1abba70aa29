/** What the chat does around its list: saying and asking, jumping to a message, counting what came. */
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import type { RefObject } from "react";
import { api } from "../../api";
import { errorText } from "../../app/session";
import { sentences } from "../../i18n/format";
import { newId, useMe, useRoom, useUnread, type TalkMessage } from "../../store";
import { toast } from "../../ui/toast";
import { markOf } from "../room/itinerary";
import { useText } from "../room/useText";
import { useView, view } from "../room/view";
import type { ComposerHandle } from "./Composer";
import { talkUi, useTalkUi } from "./ui";
import type { Said } from "./useComposer";

/** Post in the chat, or ask the assistant there. False (soon): it was not taken, the text stays. */
export function useSay(afterwards: () => void): (said: Said) => boolean | Promise<boolean> {
  const { client, store, tripId } = useRoom();
  const { t, language } = useText();
  /** The same question asked again after a failure is the same question. */
  const asked = useRef({ text: "", key: "" });

  async function ask(text: string, replyTo: string | null): Promise<boolean> {
    if (asked.current.text !== text) asked.current = { text, key: newId() };
    try {
      await api.ask(tripId, { text, locale: language, reply_to: replyTo }, asked.current.key);
    } catch (problem) {
      toast(sentences(t, t("talk.askFailed"), errorText(problem, t)), { tone: "bad" });
      return false;
    }
    asked.current = { text: "", key: "" };
    talkUi.replyTo(null);
    afterwards();
    return true;
  }

  return ({ text, mentions, about, ask: toAssistant }) => {
    const { replyTo } = useTalkUi.getState();
    if (toAssistant) {
      if (store.getState().connection.state === "live") return ask(text, replyTo);
      toast(t("talk.askOffline"), { tone: "bad" });
      return false;
    }
    client.submit({ kind: "message.post", id: newId(), channel: "chat", text, mentions, about, reply_to: replyTo });
    talkUi.replyTo(null);
    afterwards();
    return true;
  };
}

/** Follows requests to bring a message into view, loading older pages until it is there. */
export function useJump(toMessage: (id: string) => boolean): void {
  const { client } = useRoom();
  const wanted = useView((s) => (s.talkFilter === "chat" ? s.toMessage : null));
  useEffect(() => {
    if (wanted === null) return;
    let gone = false;
    void client.talk.find("chat", wanted.id).then((found) => {
      // The rows of the pages that were loaded are drawn first.
      window.setTimeout(() => {
        if (gone) return;
        if (found && toMessage(wanted.id)) talkUi.flash(wanted.id);
        view.arrived();
      });
    });
    return () => { gone = true; };
  }, [client, wanted, toMessage]);
}

/** With more unread than this (the server counts no further) where the reader had got to is too far. */
const MAX_UNREAD = 99;

/** Loads older pages until some of what the reader has read is there, or it is too far. True: done. */
export function useStart(since: number | null, oldest: number, more: boolean): boolean {
  const { client } = useRoom();
  const [settled, setSettled] = useState(false);
  const unread = useUnread();
  useEffect(() => {
    if (since === null || settled) return;
    if (!more || oldest <= since || unread > MAX_UNREAD || useView.getState().toMessage !== null) {
      setSettled(true);
      return;
    }
    void client.talk.older("chat").then((loaded) => { if (!loaded) setSettled(true); });
  }, [client, since, oldest, more, unread, settled]);
  return settled;
}

/** The chat opens at what is new, when that is more than fits on the screen. */
export function useOpenAtNew(settled: boolean, fresh: string | null, toMessage: (id: string, top: boolean) => boolean): void {
  const done = useRef(false);
  useLayoutEffect(() => {
    if (!settled || done.current) return;
    done.current = true;
    if (fresh !== null && useView.getState().toMessage === null) toMessage(fresh, true);
  }, [settled, fresh, toMessage]);
}

/** A stop or day was to be mentioned: it goes into what is being written. */
export function useMentionRequest(composer: RefObject<ComposerHandle | null>): void {
  const { store } = useRoom();
  const { name, dayName } = useText();
  const wanted = useView((s) => s.mention);
  const names = useRef({ name, dayName });
  names.current = { name, dayName };
  useEffect(() => {
    if (wanted === null || composer.current === null) return;
    const state = store.getState();
    const text = wanted.t === "stop"
      ? names.current.name(state.stops.get(wanted.id))
      : names.current.dayName(state.days.find((day) => day.id === wanted.id), markOf(state, wanted.id));
    view.mentioned();
    composer.current.insert(`${text} `, { t: wanted.t, id: wanted.id });
  }, [wanted, store, composer]);
}

/** How many others' messages came since the end was last in view. */
export function useNewBelow(messages: readonly TalkMessage[], atEnd: boolean): number {
  const me = useMe().user;
  const left = useRef(0);
  const newest = messages.reduce((seq, message) => Math.max(seq, message.seq), 0);
  if (atEnd || left.current === 0) left.current = newest;
  if (atEnd) return 0;
  return messages.filter((message) => message.seq > left.current && message.author !== me && !message.deleted).length;
}
