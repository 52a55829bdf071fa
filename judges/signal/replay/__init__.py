"""Training replayed over recorded answers: which reward gains most, in seconds, without a model.

noise.py      what a judge would say if it were asked again
sampling.py   one step of GRPO: groups drawn, advantages, the gradient
blocks.py     prompts with as many answers side by side
training.py   many steps, for every reward and seed at once
linear.py     the same with one policy for all prompts, on prompts that it has not seen
features.py   what such a policy sees of an answer
gains.py      intervals over seeds and prompts, and which arm gained most
study.py      all of it as one value
words.py      what it says
"""
