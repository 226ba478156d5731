"""The library that draws the page's curves is the published one: no mark or change in it is
ours."""

import hashlib

from elsinore.page.app import STATIC

# git's name of dist/uPlot.iife.js in uPlot 1.6.16 (github.com/leeoniya/uPlot, commit 04a6e3b)
BLOB = "73a7553aedce23dd73772aafa897bc69e4a1d8a8"


def test_it_is_as_its_authors_published_it():
    text = (STATIC / "uplot" / "uPlot.iife.js").read_bytes()
    assert hashlib.sha1(b"blob %d\0" % len(text) + text).hexdigest() == BLOB
