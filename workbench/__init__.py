"""The workbench: the command line that joins the other packages. The top layer; nobody imports it."""
