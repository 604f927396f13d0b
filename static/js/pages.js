// What a page gains from a script. Each part of it works without: times are in UTC, a form is sent by the browser alone.
"use strict";

(() => {
  const parts = {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  };
  const toTheMinute = new Intl.DateTimeFormat("en-GB", parts);
  const toTheSecond = new Intl.DateTimeFormat("en-GB", { ...parts, second: "2-digit" });
  const isUtc = new Date().getTimezoneOffset() === 0;

  // A time says UTC in the page; its reader sees it in their own zone, and UTC where the pointer rests.
  const tellInZone = (root) => {
    if (isUtc) return;
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      const text = time.textContent.trim();
      if (time.title || !text.endsWith("UTC") || Number.isNaN(at.getTime())) continue;
      time.title = text;
      time.textContent = (/:\d\d:/.test(text) ? toTheSecond : toTheMinute).format(at);
    }
  };

  // What went wrong is said at the top of the form: who submitted it hears that first, then comes to the first field.
  const focusOnError = () => {
    const told = document.querySelector('main [role="alert"]');
    const field = document.querySelector('main [aria-invalid="true"]');
    if (told) {
      told.tabIndex = -1;
      told.focus();
    } else if (field) {
      field.focus();
    }
  };

  // A second click would send the form a second time. The answer may be a file, and leave the page as it is: so the form
  // can be sent again after a while.
  const RELEASE_AFTER = 10_000;
  const release = (form) => {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
  };
  const sendOnce = (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    form.setAttribute("aria-busy", "true");
    setTimeout(release, RELEASE_AFTER, form);
  };

  document.addEventListener("submit", sendOnce);
  // Back to a page that the browser has kept: its forms are as they were left.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll("form[data-sent]").forEach(release);
  });
  document.addEventListener("htmx:load", (event) => tellInZone(event.detail.elt));
  document.addEventListener("DOMContentLoaded", () => {
    tellInZone(document);
    focusOnError();
  });
})();
