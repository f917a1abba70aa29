/** Emoji under a message: who reacted with what, and putting one's own. */
import { SmilePlus } from "lucide-react";
import { useState } from "react";
import { MAX_REACTIONS } from "../../protocol.gen";
import { useMe, useRoomClient, type TalkMessage } from "../../store";
import { IconButton } from "../../ui/Button";
import { Popover } from "../../ui/Popover";
import { useText } from "../room/useText";
import { useNameOf } from "./people";
import { asEmoji } from "./text";

export const QUICK = ["👍", "❤️", "😂", "🎉", "😮", "🙏"] as const;

export function useReact(message: TalkMessage): (emoji: string) => void {
  const client = useRoomClient();
  const me = useMe().user;
  return (emoji) => {
    const mine = me !== null && (message.reactions[emoji] ?? []).includes(me);
    if (!mine && message.reactions[emoji] === undefined && Object.keys(message.reactions).length >= MAX_REACTIONS) return;
    client.submit({ kind: "message.react", id: message.id, emoji, on: !mine });
  };
}

export function Reactions({ message }: { message: TalkMessage }) {
  const { t, language } = useText();
  const me = useMe().user;
  const nameOf = useNameOf();
  const react = useReact(message);
  const entries = Object.entries(message.reactions);
  if (entries.length === 0) return null;
  return (
    <ul className="reactions">
      {entries.map(([emoji, users]) => {
        const names = users.map((user) => (user === me ? t("talk.you") : nameOf(user))).join(language === "zh" ? "、" : ", ");
        const label = t("talk.reaction", { emoji, names });
        return (
          <li key={emoji}>
            <button type="button" className="reaction" aria-pressed={me !== null && users.includes(me)} aria-label={label} title={names} onClick={() => react(emoji)}>
              <span aria-hidden>{emoji}</span><span className="num" aria-hidden>{users.length}</span>
            </button>
          </li>
        );
      })}
      <li><ReactButton message={message} className="reaction reaction-add" size={15} /></li>
    </ul>
  );
}

/** A few that are common, and any other from the keyboard of the device. */
export function ReactButton({ message, className, size = 17, onOpen }: { message: TalkMessage; className?: string; size?: number; onOpen?: (open: boolean) => void }) {
  const { t } = useText();
  const [open, setOpen] = useState(false);
  const react = useReact(message);
  const change = (next: boolean) => {
    setOpen(next);
    onOpen?.(next);
  };
  const choose = (emoji: string) => {
    react(emoji);
    change(false);
  };
  return (
    <Popover
      label={t("talk.react")} align="end" side="top" open={open} onOpenChange={change} className="emoji-pop"
      trigger={<IconButton className={className ?? ""} label={t("talk.react")} tip={false} title={t("talk.react")}><SmilePlus size={size} aria-hidden /></IconButton>}
    >
      <div className="emoji-row">
        {QUICK.map((emoji) => <button key={emoji} type="button" className="emoji" aria-label={emoji} onClick={() => choose(emoji)}>{emoji}</button>)}
        <input
          className="input emoji-other" aria-label={t("talk.reactOther")} title={t("talk.reactOther")} placeholder="…" maxLength={20}
          onChange={(event) => {
            const emoji = asEmoji(event.target.value);
            // A keyboard gives a whole emoji at once; a Chinese one may still be composing.
            if (emoji !== null && !(event.nativeEvent as InputEvent).isComposing) choose(emoji);
          }}
        />
      </div>
    </Popover>
  );
}
