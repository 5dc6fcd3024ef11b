"""A plug-in of the TensorFlow backend: what takes the time of a training step on a CPU, compiled for the one at hand.

TensorFlow's products of a batch with a large matrix reach 40 to 75 % of what the processor can do, store every gradient
in full and read it twice more before Adam uses it. Here a product runs at the processor's own pace, and a gradient is
never stored: a tile that was just summed goes into Adam's update while the next one is summed. Any family's large
matrices gain by it; what is one family's alone does not belong here (docs/adr/0010).

Nothing imports this package: the entry point `cpu` in `gapsack.kernels` names `tensorflow.CpuKernels`. All modules but
that one are plain numpy in and out.
"""
