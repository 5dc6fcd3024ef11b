"""Plain data becomes plotly figures."""
