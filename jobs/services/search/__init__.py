"""Finding jobs: single ones, the API's pages, and the searches of staff."""
