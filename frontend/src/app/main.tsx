/** Entry of the single-page app: styles, language, theme, then the routes. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "../i18n";
import "../styles/tokens.css";
import "../styles/base.css";
import "../ui/ui.css";
import "./app.css";
import "./theme";
import { App } from "./App";
import { loadSession } from "./session";

void loadSession();
const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
