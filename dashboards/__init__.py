"""Reports: records become plain data, plain data becomes figures, figures become one HTML file that opens offline."""
