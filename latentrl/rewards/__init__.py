"""Rewards on latent states, defined by a goal instead of by an environment (Latent Matters, section 4.3.2).

With the observation matrix a rectangular identity (Eq. 4.31), the first ``Da`` dimensions of a latent state are its
position and the others its velocity. A goal is therefore a point in either part: encode one picture, or one motion.
"""
