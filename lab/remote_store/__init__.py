"""A store elsewhere, by the API of the lab that has it: the same objects as of a store here.

client         requests: the token, errors, pages, streams
remote_store   `RemoteStore`: what runs and their sightings need of a store
opened         `connect`, and what it gives
"""
