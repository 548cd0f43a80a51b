"""The workbench: the command line that joins the other packages. Nobody imports it."""
