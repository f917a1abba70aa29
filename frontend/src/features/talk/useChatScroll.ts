/** Where the chat is scrolled to: it stays at the newest while it is there, keeps its place when older
    messages come in above, and asks for those when the top comes near. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { RefObject } from "react";

/** Within this much of the end counts as the end. */
const NEAR_END = 48;
/** Older messages are asked for when so much is left above. */
const NEAR_TOP = 600;

export interface ChatScroll {
  box: RefObject<HTMLDivElement | null>;
  /** The newest message is in view. */
  atEnd: boolean;
  toEnd: (smooth?: boolean) => void;
  /** Bring a message into view; false when it is not there. `top`: to the top, unless it is in view anyway. */
  toMessage: (id: string, top?: boolean) => boolean;
  /** As `atEnd`, at this very moment. */
  following: RefObject<boolean>;
  onScroll: () => void;
}

export function useChatScroll(ids: readonly string[], more: boolean, older: () => void): ChatScroll {
  const box = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const following = useRef(true);
  /** The topmost message in view and where it stands, to put it back there. */
  const held = useRef<{ id: string; top: number } | null>(null);

  const look = useCallback(() => {
    const node = box.current;
    if (node === null) return;
    const end = node.scrollHeight - node.scrollTop - node.clientHeight <= NEAR_END;
    following.current = end;
    setAtEnd(end);
    held.current = topmost(node);
  }, []);

  const toEnd = useCallback((smooth = false) => {
    const node = box.current;
    if (node === null) return;
    following.current = true;
    node.scrollTo({ top: node.scrollHeight, behavior: smooth ? "smooth" : "auto" });
  }, []);

  const onScroll = useCallback(() => {
    look();
    if (box.current !== null && box.current.scrollTop < NEAR_TOP) older();
  }, [look, older]);

  useLayoutEffect(() => {
    const node = box.current;
    if (node === null) return;
    if (following.current) node.scrollTop = node.scrollHeight;
    else if (held.current !== null) {
      const row = rowOf(node, held.current.id);
      if (row !== null) node.scrollTop += row.getBoundingClientRect().top - held.current.top;
    }
    held.current = topmost(node);
  }, [ids]);

  // A page may be shorter than the screen: then there is nothing to scroll, and more is asked for.
  useEffect(() => {
    const node = box.current;
    if (more && node !== null && node.scrollTop < NEAR_TOP) older();
  }, [ids, more, older]);

  // Answers grow, pictures of faces load, the panel is resized, the keyboard of a phone comes up.
  useEffect(() => {
    const node = box.current;
    const content = node?.firstElementChild;
    if (!node || !content || typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(() => {
      if (following.current) node.scrollTop = node.scrollHeight;
      look();
    });
    observer.observe(content);
    observer.observe(node);
    return () => observer.disconnect();
  }, [look]);

  const toMessage = useCallback((id: string, top = false) => {
    const node = box.current;
    const row = node === null ? null : rowOf(node, id);
    if (node === null || row === null) return false;
    if (top && row.offsetTop >= node.scrollTop) return true;
    following.current = false;
    row.scrollIntoView({ block: top ? "start" : "center" });
    look();
    return true;
  }, [look]);

  return { box, atEnd, toEnd, toMessage, onScroll, following };
}

const rowOf = (node: HTMLElement, id: string): HTMLElement | null => node.querySelector(`[data-message="${CSS.escape(id)}"]`);

function topmost(node: HTMLElement): { id: string; top: number } | null {
  const edge = node.getBoundingClientRect().top;
  for (const row of node.querySelectorAll<HTMLElement>("[data-message]")) {
    const rect = row.getBoundingClientRect();
    if (rect.bottom > edge) return { id: row.dataset["message"] ?? "", top: rect.top };
  }
  return null;
}
