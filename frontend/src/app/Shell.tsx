/** The frame of every screen but the trip room: brand, language, appearance, account. */
import { Languages, LogOut, Moon, Settings as SettingsIcon, Sparkles, Sun, SunMoon, UserPlus } from "lucide-react";
import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link, NavLink, useNavigate } from "react-router";
import { api } from "../api";
import { setLanguage, type Language } from "../i18n";
import { Avatar } from "../ui/Avatar";
import { IconButton } from "../ui/Button";
import { Menu, MenuChoice, MenuItem, MenuLabel, MenuLine } from "../ui/Menu";
import { Logo } from "./Logo";
import { signedIn, signedOut, useSession, useUser } from "./session";
import { setTheme, useTheme, type ThemeChoice } from "./theme";
import { useLanguage } from "./useLanguage";

export function LanguageMenu() {
  const { t } = useTranslation();
  const language = useLanguage();
  const user = useUser();
  function choose(next: Language): void {
    setLanguage(next);
    // Mails speak it, too.
    if (user) api.updateMe({ locale: next }).then((me) => signedIn(me.user), () => undefined);
  }
  return (
    <Menu trigger={<IconButton label={t("common.language")} tip={false} data-testid="language"><Languages size={18} aria-hidden /></IconButton>}>
      <MenuChoice<Language>
        value={language}
        onChange={choose}
        options={[
          { value: "zh", label: <span lang="zh-CN">简体中文</span> },
          { value: "en", label: <span lang="en">English</span> },
        ]}
      />
    </Menu>
  );
}

export function ThemeMenu() {
  const { t } = useTranslation();
  const choice = useTheme((s) => s.choice);
  const Icon = themeIcon(choice);
  return (
    <Menu trigger={<IconButton label={t("common.theme")} tip={false}><Icon size={18} aria-hidden /></IconButton>}>
      <MenuChoice<ThemeChoice> value={choice} onChange={setTheme} options={themeOptions(t)} />
    </Menu>
  );
}

export const themeIcon = (choice: ThemeChoice): LucideIcon => (choice === "light" ? Sun : choice === "dark" ? Moon : SunMoon);

export const themeOptions = (t: (key: string) => string): { value: ThemeChoice; label: string }[] => [
  { value: "light", label: t("theme.light") },
  { value: "dark", label: t("theme.dark") },
  { value: "system", label: t("theme.system") },
];

export function AccountMenu() {
  const { t } = useTranslation();
  const user = useUser();
  const navigate = useNavigate();
  if (!user) return <Link className="btn btn-ghost btn-md" to="/login">{t("common.signIn")}</Link>;
  async function logout(): Promise<void> {
    await api.logout();
    signedOut();
    navigate("/");
  }
  return (
    <Menu
      trigger={
        <button type="button" className="face-button" aria-label={t("room.signedInAs", { name: user.name })} data-testid="account">
          <Avatar name={user.name} color={0} />
        </button>
      }
    >
      <MenuLabel>{t("room.signedInAs", { name: user.name })}</MenuLabel>
      {user.is_guest ? <MenuItem icon={<UserPlus size={16} />} onSelect={() => navigate("/register")}>{t("room.keep")}</MenuItem> : null}
      <MenuItem icon={<SettingsIcon size={16} />} onSelect={() => navigate("/settings")}>{t("settings.title")}</MenuItem>
      {user.is_guest ? null : (
        <>
          <MenuLine />
          <MenuItem icon={<LogOut size={16} />} onSelect={() => void logout()}>{t("settings.logout")}</MenuItem>
        </>
      )}
    </Menu>
  );
}

export function Shell({ children, narrow }: { children: ReactNode; narrow?: boolean }) {
  const { t } = useTranslation();
  const user = useUser();
  const hasAssistant = useSession((s) => s.features["assistant"] === true);
  return (
    <div className="shell">
      <a className="skip" href="#main">{t("common.skip")}</a>
      <header className="shell-head">
        <Link to={user ? "/trips" : "/"} className="brand" aria-label={t("app.name")}>
          <Logo />
          <span>{t("app.name")}</span>
        </Link>
        <nav className="shell-nav">
          {user && hasAssistant ? <NavLink className="btn btn-ghost btn-md shell-link" to="/assistant" aria-label={t("ai.nav")}><Sparkles size={17} aria-hidden /><span>{t("ai.nav")}</span></NavLink> : null}
          <LanguageMenu />
          <ThemeMenu />
          <AccountMenu />
        </nav>
      </header>
      <main id="main" className={narrow ? "shell-main narrow" : "shell-main"}>{children}</main>
    </div>
  );
}
