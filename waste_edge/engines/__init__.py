"""One interface over the inference engines: uint8 pixels in, logits and pooled features out.

Parity, verify, evaluate, bench and the loop all run a bundle through here.
"""
