/* global addEventListener, document, history, localStorage, location, navigator, getSelection, setTimeout */

import { highlight } from "./highlight.js";
import { base, setUpForm } from "./try-it.js";

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const root = document.documentElement;

// Browsers cache a page, with its API key and responses, and show it again on "back".
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) location.reload();
});

function setUpTheme(select) {
  select.value = root.dataset.theme ?? "";
  select.addEventListener("change", () => {
    root.dataset.theme = select.value;
    try {
      localStorage.setItem("theme", select.value);
    } catch {
      // It holds until the page is closed.
    }
  });
}

/** https://www.w3.org/WAI/ARIA/apg/patterns/tabs/ */
function setUpTabs(list) {
  const tabs = all("[role=tab]", list);

  function select(tab) {
    for (const each of tabs) {
      const isSelected = each === tab;
      each.setAttribute("aria-selected", isSelected);
      each.tabIndex = isSelected ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).hidden = !isSelected;
    }
  }

  list.addEventListener("click", ({ target }) => tabs.includes(target) && select(target));
  list.addEventListener("keydown", (event) => {
    const from = tabs.indexOf(document.activeElement);
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const tab = tabs.at(to % tabs.length);
    select(tab);
    tab.focus();
  });
  select(tabs[0]);
}

/** Copies the text beside the button; selects it where the browser allows no page to copy. */
async function copy(button) {
  const text = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  } catch {
    getSelection().selectAllChildren(text);
  }
}

/** Opens what the URL names. */
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.localName !== "details") return;
  target.open = true;
  target.scrollIntoView();
}

function setUpTokens(fields) {
  for (const field of fields)
    field.addEventListener("input", () => {
      for (const other of fields) other.value = field.value;
    });
}

for (const code of all("#quick-start code")) {
  code.textContent = code.textContent.replace("http://127.0.0.1:8080", base);
  highlight(code);
}
setUpTheme(document.getElementById("theme"));
for (const list of all("[role=tablist]")) setUpTabs(list);
setUpTokens(all(".token"));
const forms = all("form.try");
for (const form of forms) setUpForm(form, forms);
document.addEventListener("click", ({ target }) => {
  if (target.matches(".copy")) void copy(target);
  if (target.matches("nav a")) document.getElementById("contents").hidePopover();
});
document.addEventListener(
  "toggle",
  ({ target }) => {
    if (target.localName !== "details" || !target.open) return;
    // An operation that is open has a URL.
    if (target.id !== "") history.replaceState(null, "", `#${target.id}`);
    for (const code of all("pre > code", target)) highlight(code);
  },
  true,
);
addEventListener("hashchange", openTarget);
openTarget();
