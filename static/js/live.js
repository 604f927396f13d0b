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

// New events would push away what is being read: while the top of the list is out of sight, or a part of it is selected,
// they wait behind a button. Back at the top, the list goes on by itself.
const idsIn = (root) => [...root.querySelectorAll("tbody a[id]")].map((link) => link.id);
const isBeingRead = (stream) => {
  const chosen = getSelection();
  return stream.getBoundingClientRect().top < 0 || (!chosen.isCollapsed && stream.contains(chosen.anchorNode));
};
document.addEventListener("htmx:beforeSwap", (event) => {
  const { requestConfig, serverResponse, shouldSwap } = event.detail;
  const stream = document.getElementById("stream");
  if (!shouldSwap || requestConfig.elt !== stream || !isBeingRead(stream)) return;
  event.detail.shouldSwap = false;
  const known = new Set(idsIn(stream));
  const answer = new DOMParser().parseFromString(serverResponse, "text/html");
  const count = idsIn(answer).filter((id) => !known.has(id)).length;
  const button = stream.querySelector("[data-new-events]");
  button.hidden = count === 0;
  button.textContent = `${count} new event${count === 1 ? "" : "s"}: show`;
});
document.addEventListener("click", async (event) => {
  if (!event.target.closest("[data-new-events]")) return;
  const stream = document.getElementById("stream");
  getSelection().removeAllRanges();
  await htmx.ajax("GET", stream.getAttribute("hx-get"), { target: "#stream", swap: "outerHTML" });
  const shown = document.getElementById("stream");
  shown.scrollIntoView();
  shown.querySelector("tbody a")?.focus({ preventScroll: true });
});

// What is read out when it changes is left alone while it does not.
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  if (target.innerHTML === fragment.innerHTML) event.detail.shouldSwap = false;
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
