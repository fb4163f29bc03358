// Django's fields that complete what is typed tell screen readers their value, but not what they are for: say both.
document.addEventListener("DOMContentLoaded", () => {
  const name = () => {
    for (const field of document.querySelectorAll("select.admin-autocomplete")) {
      const label = document.querySelector(`label[for="${field.id}"]`);
      const shown = document.getElementById(`select2-${field.id}-container`);
      if (label && shown) shown.setAttribute("aria-label", `${label.textContent} ${shown.textContent}`.trim());
    }
  };
  // They are made once all scripts have run, and made anew with each value.
  new MutationObserver(name).observe(document.body, { childList: true, characterData: true, subtree: true });
  name();
});
