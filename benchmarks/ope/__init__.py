"""Off-policy evaluation: what a randomised log says of policies that did not make it, held against what they come to."""
