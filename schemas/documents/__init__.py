"""Generators of JSON Schema, AsyncAPI, OpenAPI and the pages made from them."""
