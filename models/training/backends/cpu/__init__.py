"""What takes the time of a training step on a CPU, compiled for the processor at hand; plain numpy in and out.

TensorFlow's products of a batch with a large matrix reach 40 to 75 % of what the processor can do, store every gradient
in full and read it twice more before Adam uses it. Here a product runs at the processor's own pace, and a gradient is
never stored: a tile that was just summed goes into Adam's update while the next one is summed. NetVLAD, context
gating and the mixture of experts are here too, since what lies between products would go to memory and back, on one
core.
"""
