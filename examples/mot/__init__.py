"""Following several things through a video: what `examples/tracking.py` is made of.

challenge     folders as MOTChallenge has them, read and written
sprites       made-up videos of people who cross and hide each other, in such folders
boxes, crops  overlaps of boxes; what a box shows
motion        where a box will be: the package's Kalman filter
distances     how unlike two crops are, by name
tracker       who is who: gates, the Hungarian algorithm, tracks that begin and end
threshold     from which distance on two crops show two things, without labels
scores        IDF1, MOTA and identity switches, by motmetrics
"""
