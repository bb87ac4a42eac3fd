"""A whole analysis as one document: its clips, detectors, rules and sinks.

document   its values
text       JSON or YAML as plain values, within limits
schema     its form, and what it finds wrong
variables  environment variables in it
checks     what is wrong beyond the form
rules      rules as it writes them
read       `read_job`, `job_of`: a document that was checked
trust      what it would do beyond the lab's own detectors and its own folder
run        `run_job`: running it
export     `document_of`: a document for existing runs
sinks      where the sightings go

`lab.read_job`, `lab.job_of`, `lab.run_job` and `lab.document_of` are its public names.
"""
