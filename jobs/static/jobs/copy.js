// Buttons that copy the text of the element they name. Without this file the text can be selected by one click.
for (const button of document.querySelectorAll("button[data-copies]")) {
  const place = document.getElementById(button.dataset.copies);
  const told = button.parentElement.querySelector("[role=status]");
  const copy = async () => {
    if (navigator.clipboard) { // only over HTTPS and on localhost
      await navigator.clipboard.writeText(place.textContent);
      return;
    }
    getSelection().selectAllChildren(place);
    if (!document.execCommand("copy")) throw new Error("not copied");
  };
  button.addEventListener("click", async () => {
    told.textContent = "";
    try {
      await copy();
      told.textContent = button.dataset.done;
    } catch {
      getSelection().selectAllChildren(place); // to be copied by hand
    }
  });
  button.hidden = false;
}
