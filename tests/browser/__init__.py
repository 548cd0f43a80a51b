"""Tests of pages in a real browser: `make check-browser`; the other tests leave them out."""
