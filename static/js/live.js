// What live pages need beside htmx: everything here only adds to a page that works without it.
"use strict";

// A poll that was sent on to another page, the log-in, has no part of this page in its answer: show that page itself.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, pathInfo } = event.detail;
  const asked = new URL(pathInfo.finalRequestPath, location.href);
  if (xhr.responseURL && new URL(xhr.responseURL).pathname !== asked.pathname) {
    event.detail.shouldSwap = false;
    location.reload();
  }
});

const tell = (lost) => {
  for (const notice of document.querySelectorAll("[data-connection-lost]")) notice.hidden = !lost;
};
document.addEventListener("htmx:sendError", () => tell(true));
document.addEventListener("htmx:responseError", () => tell(true));
document.addEventListener("htmx:afterOnLoad", () => tell(false));

// A button beside a text copies it. It is hidden in the page, because without a script it would do nothing.
const offer = (root) => {
  for (const button of root.querySelectorAll("button[data-copy]")) button.hidden = !navigator.clipboard;
};
document.addEventListener("DOMContentLoaded", () => offer(document));
document.addEventListener("htmx:load", (event) => offer(event.detail.elt));
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy);
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(text);
    button.textContent = "Selected: copy it now";
  }
  setTimeout(() => { button.textContent = before; }, 2000);
});
