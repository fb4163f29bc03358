// Swagger UI on the document that the page names; a key typed into "Authorize" stays in this page.
const place = document.getElementById("docs");
SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: true,
  docExpansion: "list",
  persistAuthorization: false,
  syntaxHighlight: { activated: false },
  validatorUrl: null,
});
