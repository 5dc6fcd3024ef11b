"""A teacher's predictions of training examples: computed once, kept compactly, looked up by id in training."""
