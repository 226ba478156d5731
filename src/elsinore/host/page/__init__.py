"""The live page: a local server that reads the folders of runs, and the files a browser needs to show them."""
