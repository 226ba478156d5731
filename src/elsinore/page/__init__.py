"""The live page: a local web server that reads run directories, and its static files."""
