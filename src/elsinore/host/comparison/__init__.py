"""Several algorithms, several seeds: trained alike, read back, and told of without flattery.

variants, cells   what is to be compared, checked before anything is trained
results           run folders, read
scores, tables    the numbers
figures/          the pictures
document          the report as data;  html, markdown, terminal: how it is shown
api               compare, report
"""
