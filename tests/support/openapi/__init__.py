"""Makes the OpenAPI document of the REST API, which ``jobs/api/openapi.json`` keeps and every host serves."""
