// Swagger UI for the document in `data-document`; a key typed into "Authorize" is not stored.
const place = document.getElementById("docs");
SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: true,
  docExpansion: "list",
  persistAuthorization: false,
  supportedSubmitMethods: ["get", "post"], // no cancel and no erase by a click
  syntaxHighlight: { activated: false },
  validatorUrl: null,
});
