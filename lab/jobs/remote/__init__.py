"""Clips of an app's queue, analysed by workers on other machines that come for them over HTTP.

message    what is sent: the form of a part, and its bounds
part_check  whether a part that was sent may go into a log
claim      an order that one worker holds, and what it has said of it: the fence
link       one worker, as a place where orders are done
media_facts  facts of a clip, as a worker told them
clip       a clip that is done there: the detectors must be those of the app
engine     the engine of one worker
feeder     what takes jobs from the queue for it
workers    all workers of an app
client     the worker's side of HTTP
clip_folder  clips that a worker has fetched
sending    sending what was found while the analysis goes on
worker     `lab worker --queue`: claims, analyses, tells
"""
