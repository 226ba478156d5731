"""Drawing of scenes: in the terminal, as images and as films."""
