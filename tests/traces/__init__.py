"""Tests of the record: real SQLite files, and a real server where one can be started."""
