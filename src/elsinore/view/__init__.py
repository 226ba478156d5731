"""Episodes drawn as images, films and terminal output, human play, and demos."""
