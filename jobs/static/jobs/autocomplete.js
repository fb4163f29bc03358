// Django's autocomplete fields announce their value to screen readers, but not their label: add it.
document.addEventListener("DOMContentLoaded", () => {
  const name = () => {
    for (const field of document.querySelectorAll("select.admin-autocomplete")) {
      const label = document.querySelector(`label[for="${field.id}"]`);
      const shown = document.getElementById(`select2-${field.id}-container`);
      if (label && shown) shown.setAttribute("aria-label", `${label.textContent} ${shown.textContent}`.trim());
    }
  };
  // Django creates them after all scripts, and again with each value.
  new MutationObserver(name).observe(document.body, { childList: true, characterData: true, subtree: true });
  name();
});
