/** Time zones and currencies to choose from. The browser knows the zones. */
export function timeZones(): string[] {
  const zones = Intl.supportedValuesOf("timeZone");
  return zones.includes("UTC") ? zones : ["UTC", ...zones];
}

export const ownTimeZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

export const CURRENCIES = [
  "CNY", "EUR", "USD", "JPY", "HKD", "TWD", "KRW", "GBP", "THB", "SGD", "MYR", "VND", "IDR", "INR", "AUD", "NZD", "CAD", "CHF",
  "SEK", "NOK", "DKK", "ISK", "PLN", "CZK", "HUF", "TRY", "AED", "EGP", "ZAR", "MXN", "BRL", "NPR", "LAK", "MMK", "KHR", "PHP", "MOP",
];
