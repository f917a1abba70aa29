/** What can be done with a message: react, reply, copy, edit, delete. */
import { Copy, MoreHorizontal, Pencil, Reply, Trash2 } from "lucide-react";
import { Item } from "@radix-ui/react-dropdown-menu";
import { useRef, useState } from "react";
import { useIsOwner, useMe, useRoomClient, type TalkMessage } from "../../store";
import { Button, IconButton } from "../../ui/Button";
import { copyText } from "../../ui/copy";
import { Dialog } from "../../ui/Dialog";
import { Menu, MenuItem, MenuLine } from "../../ui/Menu";
import { useText } from "../room/useText";
import { useAuthorName } from "./people";
import { QUICK, ReactButton, useReact } from "./Reactions";
import { talkUi } from "./ui";

interface Props {
  message: TalkMessage;
  /** Absent where replies are written beneath (threads). */
  onReply?: (() => void) | undefined;
}

export function useRights(message: TalkMessage): { edit: boolean; remove: boolean } {
  const me = useMe().user;
  const owner = useIsOwner();
  const mine = me !== null && message.author === me;
  const underWay = message.answer?.status === "queued" || message.answer?.status === "streaming";
  return { edit: mine && message.answer === null, remove: (mine || owner || message.answer?.asked_by === me) && !underWay };
}

/** Beside a message under the pointer, or that has the focus. */
export function MessageToolbar({ message, onReply, onOpen }: Props & { onOpen: (open: boolean) => void }) {
  const { t } = useText();
  return (
    <div className="msg-tools">
      <ReactButton message={message} onOpen={onOpen} />
      {onReply ? <IconButton label={t("talk.reply")} tip={false} title={t("talk.reply")} onClick={onReply}><Reply size={17} aria-hidden /></IconButton> : null}
      <MessageMenu message={message} onReply={onReply} onOpen={onOpen} />
    </div>
  );
}

/** On touch screens everything is in the menu, reactions first. */
export function MessageMenu({ message, onReply, onOpen, touch }: Props & { onOpen?: (open: boolean) => void; touch?: boolean }) {
  const { t } = useText();
  const name = useAuthorName(message.author);
  const rights = useRights(message);
  const react = useReact(message);
  const [asking, setAsking] = useState(false);
  // The menu, and with it its question, must stay while the pointer is away from the message.
  const wanted = useRef(false);
  const ask = (on: boolean) => {
    wanted.current = on;
    setAsking(on);
    onOpen?.(on);
  };
  return (
    <>
      <Menu
        onOpenChange={(open) => onOpen?.(open || wanted.current)}
        trigger={<IconButton className={touch ? "msg-more" : ""} label={t("talk.actions", { name })} tip={false} title={t("talk.more")}><MoreHorizontal size={17} aria-hidden /></IconButton>}
      >
        {touch ? (
          <>
            <div className="emoji-row">
              {QUICK.map((emoji) => <Item key={emoji} className="emoji" aria-label={emoji} onSelect={() => react(emoji)}>{emoji}</Item>)}
            </div>
            <MenuLine />
          </>
        ) : null}
        {onReply ? <MenuItem icon={<Reply size={16} />} onSelect={onReply}>{t("talk.reply")}</MenuItem> : null}
        <MenuItem icon={<Copy size={16} />} onSelect={() => void copyText(message.text)}>{t("talk.copy")}</MenuItem>
        {rights.edit ? <MenuItem icon={<Pencil size={16} />} onSelect={() => window.setTimeout(() => talkUi.edit(message.id))}>{t("talk.edit")}</MenuItem> : null}
        {rights.remove ? <><MenuLine /><MenuItem danger icon={<Trash2 size={16} />} onSelect={() => ask(true)}>{t("talk.delete")}</MenuItem></> : null}
      </Menu>
      {asking ? <DeleteDialog message={message} onClose={() => ask(false)} /> : null}
    </>
  );
}

function DeleteDialog({ message, onClose }: { message: TalkMessage; onClose: () => void }) {
  const { t } = useText();
  const client = useRoomClient();
  const remove = () => {
    client.submit({ kind: "message.delete", id: message.id });
    onClose();
  };
  return (
    <Dialog open onClose={onClose} title={t("talk.deleteAsk")} description={t("talk.deleteText")}
      footer={<><Button onClick={onClose}>{t("common.cancel")}</Button><Button variant="danger" onClick={remove} data-testid="delete-message">{t("talk.delete")}</Button></>}>
      <blockquote className="msg-quote-block">{message.text.slice(0, 200)}</blockquote>
    </Dialog>
  );
}
