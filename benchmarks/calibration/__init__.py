"""Fitting the model to targets: simulated moments against bands, and what the bands can and cannot tell about parameters.

- `free`: which parameters may move, how far, and which targets should move them;
- `targets`: the bands: the shipped ones, or a user's own figures over them;
- `moments`: one evaluation: parameters in, measured targets out; kept on disk, spread over processes;
- `objective`: residuals: distance from the point in half-widths of the band, and a weak pull to the prior;
- `fit`: least squares over the objective;
- `identify`: what pins which parameter, and which parameters nothing pins;
- `outcome`: the parameter file (a world), the record and the picture.
"""
