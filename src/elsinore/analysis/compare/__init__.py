"""Comparison of algorithms over environments and seeds, and its report.

variants, grid               the algorithms to compare; the (environment, algorithm) runs to train
results, thresholds          finished runs read from disk; thresholds and reference returns
scores, significance         statistics with intervals; hypothesis tests
conclusions, caveats         the sentences of a report
document, figures            a report as data
sections, provenance         its sections: results; how the runs were made
write, html, terminal        a report as files and in the terminal
api                          compare, report
"""
