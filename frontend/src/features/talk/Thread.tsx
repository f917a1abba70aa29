/** A first comment, the replies to it, and what can be done about them. */
import { CheckCircle2, RotateCcw } from "lucide-react";
import { useState } from "react";
import { newId, useIsEditor, useMe, useMessage, useRoomClient } from "../../store";
import { Button, IconButton } from "../../ui/Button";
import { useText } from "../room/useText";
import { Composer } from "./Composer";
import type { ThreadGroup } from "./groups";
import { MessageRow } from "./MessageRow";
import { Typing } from "./parts";
import { useAuthorName } from "./people";
import { RecordLine } from "./records";

interface ThreadProps {
  group: ThreadGroup;
  /** In a list of threads on many things: say what it is on, and show only the last reply at first. */
  listed?: boolean;
  onExpand?: () => void;
}

export function Thread({ group, listed = false, onExpand }: ThreadProps) {
  const { t } = useText();
  const client = useRoomClient();
  const head = useMessage(group.head);
  const me = useMe().user;
  const canEdit = useIsEditor();
  const [all, setAll] = useState(!listed);
  const closer = useAuthorName(head?.resolved_by ?? "");
  const about = head?.about ?? null;
  const may = head !== null && (canEdit || head.author === me) && head.seq > 0;
  const resolve = () => client.submit({ kind: "comment.resolve", id: group.head, resolved: !group.resolved });
  const shown = all ? group.replies : group.replies.slice(-1);
  return (
    <article className={`thread ${group.resolved ? "thread-resolved" : listed ? "" : "thread-bare"}`} data-testid={`thread-${group.head}`}>
      <header className="thread-head">
        {listed && about ? <RecordLine record={about} /> : group.resolved ? <span className="thread-state"><CheckCircle2 size={14} aria-hidden />{t("talk.resolvedBy", { name: closer })}</span> : null}
        {may ? (
          group.resolved
            ? <Button size="sm" variant="ghost" icon={<RotateCcw size={14} aria-hidden />} onClick={resolve}>{t("talk.reopen")}</Button>
            : <IconButton label={t("talk.resolve")} onClick={resolve} data-testid="resolve"><CheckCircle2 size={17} aria-hidden /></IconButton>
        ) : null}
      </header>
      <ol className="messages">
        {head ? <MessageRow id={group.head} grouped={false} thread tabbable /> : null}
        {shown.length < group.replies.length ? (
          <li className="thread-more"><Button size="sm" variant="ghost" onClick={() => { setAll(true); onExpand?.(); }}>{t("talk.replies", { count: group.replies.length })}</Button></li>
        ) : null}
        {shown.map((id) => <MessageRow key={id} id={id} grouped={false} thread tabbable />)}
      </ol>
      {about && !group.resolved ? (
        <>
          <Composer
            kind="comment" place={`reply:${group.head}`} focus={{ t: about.t, id: about.id, field: "comment" }} label={t("talk.reply")} placeholder={t("talk.replyPlaceholder")}
            onSend={({ text, mentions }) => {
              client.submit({ kind: "message.post", id: newId(), channel: "comment", text, mentions, reply_to: group.head, about });
              setAll(true);
              return true;
            }}
          />
          {listed ? null : <Typing t={about.t} id={about.id} field="comment" />}
        </>
      ) : null}
    </article>
  );
}
