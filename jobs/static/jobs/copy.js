// Buttons that copy the text of the element in `data-copies`. Without this file, one click selects the text.
for (const button of document.querySelectorAll("button[data-copies]")) {
  const place = document.getElementById(button.dataset.copies);
  const status = button.parentElement.querySelector("[role=status]");
  const copy = async () => {
    if (navigator.clipboard) { // only over HTTPS and on localhost
      await navigator.clipboard.writeText(place.textContent);
      return;
    }
    getSelection().selectAllChildren(place);
    if (!document.execCommand("copy")) throw new Error("not copied");
  };
  button.addEventListener("click", async () => {
    status.textContent = "";
    try {
      await copy();
      status.textContent = button.dataset.done;
    } catch {
      getSelection().selectAllChildren(place); // for copying by hand
    }
  });
  button.hidden = false;
}
