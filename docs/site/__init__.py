"""The site: a landing page, live pages, notebooks, the API reference and a playground."""
