import { Fragment } from "react";
import { phrases } from "./phrases";

/** A title that breaks between phrases; it takes what room there is, and breaks anywhere before it overflows. */
export function Phrases({ children }: { children: string }) {
  return <span className="phrases">{phrases(children).map((phrase, n) => <Fragment key={n}>{n > 0 ? <wbr /> : null}{phrase}</Fragment>)}</span>;
}
