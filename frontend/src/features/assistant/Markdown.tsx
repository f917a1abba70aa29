/**
 * What a model wrote, as Markdown that can do no harm: no raw HTML, no pictures from anywhere, links
 * only to web pages and always in a new tab. A chunk of its own, loaded with the first answer.
 */
import { ExternalLink } from "lucide-react";
import { createContext, memo, useContext } from "react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import { blocksOf } from "./blocks";

/** Only whole addresses of web pages: anything else is shown as the text that it is. */
export function webAddress(url: unknown): string | null {
  if (typeof url !== "string" || !/^https?:\/\//i.test(url)) return null;
  try {
    return new URL(url).href;
  } catch {
    return null;
  }
}

/** A picture inside a link is one link, not two. */
const InLink = createContext(false);

function Address({ href, children }: { href?: string | undefined; children?: ReactNode }) {
  const address = webAddress(href);
  if (useContext(InLink) || address === null) return <span>{children}</span>;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer nofollow ugc">
      <InLink.Provider value>{children}</InLink.Provider><ExternalLink size={12} className="md-out" aria-hidden />
    </a>
  );
}

/** Never fetched: its address could tell others who reads this. */
function Picture({ src, alt }: { src?: string | undefined; alt?: string | undefined }) {
  const { t } = useTranslation();
  return <Address href={src}>{alt ? t("ai.link", { alt }) : t("ai.picture")}</Address>;
}

function Table({ children }: { children?: ReactNode }) {
  const { t } = useTranslation();
  return <div className="md-table" role="region" aria-label={t("ai.table")} tabIndex={0}><table>{children}</table></div>;
}

/** The headings of an answer are not those of the page. */
const heading = (level: number) => ({ children }: { children?: ReactNode }) => <p className={`md-head md-head-${level}`}>{children}</p>;

const COMPONENTS: Components = {
  a: ({ href, children }) => <Address href={href}>{children}</Address>,
  img: ({ src, alt }) => <Picture src={typeof src === "string" ? src : undefined} alt={alt} />,
  input: ({ checked }) => <span className="md-check">{checked ? "☑" : "☐"} </span>,
  table: ({ children }) => <Table>{children}</Table>,
  h1: heading(1), h2: heading(2), h3: heading(3), h4: heading(4), h5: heading(4), h6: heading(4),
  pre: ({ children }) => <pre tabIndex={0}>{children}</pre>,
};

const PLUGINS = [remarkGfm];
/** Addresses are judged where they are used, and there a bad one leaves its text. */
const keep = (url: string): string => url;

const Block = memo(function Block({ text }: { text: string }) {
  return <ReactMarkdown remarkPlugins={PLUGINS} components={COMPONENTS} urlTransform={keep}>{text}</ReactMarkdown>;
});

export default function Markdown({ text }: { text: string }) {
  return <>{blocksOf(text).map((block, n) => <Block key={n} text={block} />)}</>;
}
