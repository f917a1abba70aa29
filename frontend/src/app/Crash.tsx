import { Component } from "react";
import type { ReactNode } from "react";
import { i18next } from "../i18n";
import { Button } from "../ui/Button";
import { Empty } from "../ui/States";

/** The last net: a broken screen says so and offers the way out, instead of going blank. */
export class Crash extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError(): { broken: boolean } {
    return { broken: true };
  }

  override render(): ReactNode {
    if (!this.state.broken) return this.props.children;
    return (
      <main className="shell-main narrow">
        <Empty
          level={1}
          title={i18next.t("error.crashTitle")}
          actions={<Button variant="primary" onClick={() => window.location.reload()}>{i18next.t("common.reload")}</Button>}
        >
          {i18next.t("error.crash")}
        </Empty>
      </main>
    );
  }
}
