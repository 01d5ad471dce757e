/* global document, localStorage */

// Loaded before the page is painted: what the reader has chosen instead of the system's colours.
try {
  document.documentElement.dataset.theme = localStorage.getItem("theme") ?? "";
} catch {
  // The browser keeps nothing for this site.
}
