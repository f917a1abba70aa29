import { Suspense } from "react";
import { BrowserRouter, Route, Routes } from "react-router";
import { LoginPage, RegisterPage } from "../features/auth/AuthPages";
import { HomePage } from "../features/home/HomePage";
import { TripsPage } from "../features/trips/TripsPage";
import { later } from "../ui/later";
import { ToastHost } from "../ui/ToastHost";
import { TooltipProvider } from "../ui/Tooltip";
import { Crash } from "./Crash";
import { NotFoundPage, ReloadPage } from "./ErrorPages";

const NotLoaded = () => <ReloadPage kind="part" />;
const AssistantPage = later(async () => (await import("../features/assistant/AssistantPage")).default, NotLoaded);
const ConfirmPage = later(async () => (await import("../features/auth/ConfirmPage")).default, NotLoaded);
const ForgotPage = later(async () => (await import("../features/auth/ResetPages")).ForgotPage, NotLoaded);
const InvitePage = later(async () => (await import("../features/invite/InvitePage")).InvitePage, NotLoaded);
const ResetPage = later(async () => (await import("../features/auth/ResetPages")).ResetPage, NotLoaded);
const RoomPage = later(async () => (await import("../features/room/RoomPage")).default, NotLoaded);
const SettingsPage = later(async () => (await import("../features/settings/SettingsPage")).default, NotLoaded);

export function App() {
  return (
    <Crash>
      <TooltipProvider>
        <BrowserRouter>
          <Suspense fallback={null}>
            <Routes>
              <Route path="/" element={<HomePage />} />
              <Route path="/login" element={<LoginPage />} />
              <Route path="/register" element={<RegisterPage />} />
              <Route path="/forgot" element={<ForgotPage />} />
              <Route path="/reset" element={<ResetPage />} />
              <Route path="/confirm" element={<ConfirmPage />} />
              <Route path="/trips" element={<TripsPage />} />
              <Route path="/t/:tripId" element={<RoomPage />} />
              <Route path="/invite/:token" element={<InvitePage />} />
              <Route path="/assistant/:conversation?" element={<AssistantPage />} />
              <Route path="/settings" element={<SettingsPage />} />
              <Route path="*" element={<NotFoundPage />} />
            </Routes>
          </Suspense>
        </BrowserRouter>
        <ToastHost />
      </TooltipProvider>
    </Crash>
  );
}
