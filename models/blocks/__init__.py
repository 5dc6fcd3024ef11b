"""Parts that several families share, as plain data: hyperparameters and tensors. Their layers: `models.layers`."""
