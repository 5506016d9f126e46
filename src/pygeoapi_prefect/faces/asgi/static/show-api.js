// Shows the document whose place the page says. A file of its own: the page may run no script that
// stands in it.
"use strict";
const place = document.getElementById("swagger-ui");
window.ui = SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis],
  // A service of others would be asked about the document.
  validatorUrl: null,
});
