"""Tests of whole processes: workers, brokers, browsers, hosts, deployment, chaos."""
