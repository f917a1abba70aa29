import { lazy, Suspense } from "react";
import { BrowserRouter, Route, Routes } from "react-router";
import { LoginPage, RegisterPage } from "../features/auth/AuthPages";
import { HomePage } from "../features/home/HomePage";
import { InvitePage } from "../features/invite/InvitePage";
import { TripsPage } from "../features/trips/TripsPage";
import { ToastHost } from "../ui/ToastHost";
import { TooltipProvider } from "../ui/Tooltip";
import { Crash } from "./Crash";
import { NotFoundPage } from "./ErrorPages";

const AssistantPage = lazy(() => import("../features/assistant/AssistantPage"));
const ConfirmPage = lazy(() => import("../features/auth/ConfirmPage"));
const ForgotPage = lazy(async () => ({ default: (await import("../features/auth/ResetPages")).ForgotPage }));
const ResetPage = lazy(async () => ({ default: (await import("../features/auth/ResetPages")).ResetPage }));
const RoomPage = lazy(() => import("../features/room/RoomPage"));
const SettingsPage = lazy(() => import("../features/settings/SettingsPage"));

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
