"""Training replayed over recorded answers: which reward gains most, in seconds, without a model.

noise.py      what a judge would say if it were asked again
sampling.py   one step of GRPO: groups drawn, advantages, the gradient
training.py   many steps, for every reward and seed at once
linear.py     the same with one policy for all prompts, on prompts that it has not seen
features.py   what such a policy sees of an answer
study.py      gains with their intervals, arm against arm
"""
