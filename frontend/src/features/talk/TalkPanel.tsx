/** What members say: the chat of the room, and the comments on its days and stops. */
import { Sparkles } from "lucide-react";
import { usePhone } from "../../app/useMedia";
import { useFreshComments, useOpenThreads } from "../../store";
import { useText } from "../room/useText";
import { useView, view, type TalkFilter } from "../room/view";
import { Chat } from "./Chat";
import { Comments } from "./Comments";
import { useHasAssistant } from "./people";
import "./talk.css";

export default function TalkPanel() {
  const filter = useView((s) => s.talkFilter);
  return (
    <div className="talk">
      <div className="talk-head"><Tabs filter={filter} /><ToAssistant /></div>
      <div id="talk-panel" className="talk-body" role="tabpanel" aria-labelledby={`talk-tab-${filter}`}>
        {filter === "chat" ? <Chat /> : <Comments />}
      </div>
    </div>
  );
}

/** On a phone the assistant is beside the talk, as on a desktop its button is beside that of the talk. */
function ToAssistant() {
  const { t } = useText();
  const has = useHasAssistant();
  if (!usePhone() || !has) return null;
  return <button type="button" className="talk-assistant" onClick={() => view.setTab("assistant")}><Sparkles size={16} aria-hidden />{t("room.assistant")}</button>;
}

function Tabs({ filter }: { filter: TalkFilter }) {
  const { t } = useText();
  const open = useOpenThreads();
  const fresh = useFreshComments();
  const other = filter === "chat" ? "comments" : "chat";
  const tab = (id: TalkFilter, label: string, extra: React.ReactNode) => (
    <button
      type="button" role="tab" id={`talk-tab-${id}`} aria-selected={filter === id} aria-controls="talk-panel" tabIndex={filter === id ? 0 : -1} className="talk-tab"
      onClick={() => view.filterTalk(id)}
    >
      {label}{extra}
    </button>
  );
  return (
    <div
      className="talk-tabs" role="tablist" aria-label={t("talk.filter")}
      onKeyDown={(event) => {
        if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
        event.preventDefault();
        view.filterTalk(other);
        document.getElementById(`talk-tab-${other}`)?.focus();
      }}
    >
      {tab("chat", t("talk.chat"), null)}
      {tab("comments", t("talk.comments"), (
        <>
          {open > 0 ? <span className="talk-count num" aria-label={t("talk.commentsOpen", { count: open })}>{open}</span> : null}
          {fresh && filter !== "comments" ? <span className="talk-dot" role="img" aria-label={t("talk.unread", { count: 1 })} /> : null}
        </>
      ))}
    </div>
  );
}
