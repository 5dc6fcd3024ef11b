"""TFRecord files: framing, checksums and the records inside."""
