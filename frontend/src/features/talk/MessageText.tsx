import { memo } from "react";
import { tokens } from "./text";
import { useMentionables } from "./people";

/** Plain text with its links and mentions. Nothing in it is fetched, and nothing is markup. */
export const MessageText = memo(function MessageText({ text, mentions, note }: { text: string; mentions: readonly string[]; note?: string | undefined }) {
  const people = useMentionables().filter((person) => mentions.includes(person.id));
  return (
    <p className="msg-text">
      {tokens(text, people).map((token, n) => {
        if (token.kind === "mention") return <span key={n} className="mention">{token.text}</span>;
        if (token.kind === "link") return <a key={n} href={token.href} title={token.href} target="_blank" rel="noopener noreferrer nofollow ugc">{token.text}</a>;
        return token.text;
      })}
      {note ? <span className="msg-edited">{note}</span> : null}
    </p>
  );
});
