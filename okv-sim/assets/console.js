// Renews what is shown of an operation under way. Without scripts the page reloads itself.
(function () {
  "use strict";
  var place = document.getElementById("job");
  if (!place) { return; }
  var silent = 0;
  function look() {
    fetch("/jobs/" + place.dataset.job + "/fragment", { credentials: "same-origin" })
      .then(function (answer) {
        if (answer.status === 401) { location.reload(); return null; }
        return answer.text();
      })
      .then(function (html) {
        if (html === null) { return; }
        silent = 0;
        if (place.innerHTML !== html) { place.innerHTML = html; }
        var end = document.getElementById("continue");
        if (end) { end.focus(); } else { setTimeout(look, 500); }
      })
      .catch(function () {
        silent += 1;
        if (silent === 3) {
          var note = document.createElement("p");
          note.className = "note warn";
          note.setAttribute("role", "alert");
          note.textContent = "The console does not answer: the server is restarting, or its wallet could not be " +
            "opened through the HSM. Make the HSM reachable, then run okv-sim open-wallet on the server.";
          place.prepend(note);
        }
        setTimeout(look, 1000);
      });
  }
  setTimeout(look, 300);
}());
