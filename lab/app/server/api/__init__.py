"""The HTTP API below `/api`: what pages and the command line do, for programs.

app         the application of FastAPI, its documentation, and what mounts it
route       requests: scope first, ids checked, bodies bounded, JSON strict
errors      every error as problem+json
shared      what the resources have in common: the state, pages with a cursor
answers     tables as Arrow or JSON, by what is accepted
A file a resource holds the rest.
"""
