// Shows the samples of one language, which this browser remembers; without this file all are shown.
const choices = document.querySelectorAll(".languages button");

const choose = (language) => {
  for (const choice of choices) choice.setAttribute("aria-pressed", String(choice.dataset.language === language));
  for (const sample of document.querySelectorAll(".sample")) sample.hidden = sample.dataset.language !== language;
};

const remembered = () => {
  try {
    return localStorage.getItem("jobs-language");
  } catch {
    return null; // the browser stores nothing for this site
  }
};

for (const choice of choices) {
  choice.addEventListener("click", () => {
    const before = choice.getBoundingClientRect().top;
    choose(choice.dataset.language);
    scrollBy({ top: choice.getBoundingClientRect().top - before, behavior: "instant" });
    try {
      localStorage.setItem("jobs-language", choice.dataset.language);
    } catch {
      // as above
    }
  });
}
document.querySelector(".languages").hidden = false;
choose([...choices].some((choice) => choice.dataset.language === remembered()) ? remembered() : "curl");

// On narrow screens the menu starts closed, and closes once it was used.
const menu = document.querySelector(".menu");
const narrow = matchMedia("(max-width: 60rem)");
const fit = () => { menu.open = !narrow.matches; };
narrow.addEventListener("change", fit);
fit();
menu.addEventListener("click", (event) => { if (narrow.matches && event.target.closest("a")) menu.open = false; });
