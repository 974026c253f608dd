// The switch lists the versions that lie beside this one, and goes to the same page of another where it has it.
"use strict";
const versionSwitch = document.getElementById("version-switch");
if (versionSwitch) {
  const { here, page, above } = versionSwitch.dataset;
  versionSwitch.addEventListener("change", () => {
    const other = `${above}/${versionSwitch.value}/`;
    fetch(other + page, { method: "HEAD" })
      .then((answer) => { location.href = other + (answer.ok ? page : "index.html"); })
      .catch(() => { location.href = other + "index.html"; });
  });
  // A page that was built before a newer version came knows of it from the list; opened as a file it keeps its own.
  fetch(`${above}/versions.json`)
    .then((answer) => answer.json())
    .then((entries) => {
      const options = entries.map(({ name, folder }) => new Option(name, folder, false, folder === here));
      versionSwitch.replaceChildren(...options);
    })
    .catch(() => {});
}
