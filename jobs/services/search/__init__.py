"""Finds jobs: one by its id, a page of the API's list (``api_*``), or what staff filter for (``staff_*``, ``facets``).

The API's list is of one project, in several orders, and finds everything; staff search over all
projects, and a search ends after a bounded number of index entries.
"""
