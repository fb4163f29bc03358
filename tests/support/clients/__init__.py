"""Programs that use generated clients: every call, every ``include``, and errors with their details.

Each is called with ``address project_key secret reader_secret ended_job_id errors.json``, where the second key
may only read, and the file has an example of every error.
"""
