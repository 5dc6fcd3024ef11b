"""Write scikit-learn's digits, 1,797 images of 8 by 8 pixels, as one npz file: python make_data.py [FILE]."""

import sys

import numpy as np
from sklearn.datasets import load_digits

digits = load_digits()
np.savez_compressed(
    sys.argv[1] if len(sys.argv) > 1 else "digits.npz",
    image=digits.images / 16,  # an input, [items, 8, 8], by the name under which models are given it
    labels=digits.target,  # whole numbers, [items]: classes that exclude each other
)
