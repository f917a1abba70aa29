/** What this tab is doing in the talk: replying, editing, and the message that lights up. */
import { create } from "zustand";

interface TalkUi {
  /** The message of the chat that is being replied to. */
  replyTo: string | null;
  editing: string | null;
  flash: string | null;
}

export const useTalkUi = create<TalkUi>(() => ({ replyTo: null, editing: null, flash: null }));
const set = useTalkUi.setState;
const FLASH_MS = 1_600;
let timer: number | undefined;

export const talkUi = {
  replyTo: (replyTo: string | null) => set({ replyTo, editing: null }),
  edit: (editing: string | null) => set({ editing }),
  flash: (id: string) => {
    window.clearTimeout(timer);
    set({ flash: id });
    timer = window.setTimeout(() => set({ flash: null }), FLASH_MS);
  },
};
