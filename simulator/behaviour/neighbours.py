"""Word of mouth: who a cardholder's neighbours are, a function of the id inside its block of 1,024."""

from cardarena.simulator.compilation import compiled

BLOCK = 1024


@compiled()
def mean_mood(mood, i, is_on):
    """Return the mean of yesterday's `mood` (ppm) over the four neighbours on the block's ring, in [0, 1]; -1 if off."""
    if is_on == 0:
        return -1.0
    first = (i // BLOCK) * BLOCK
    size = min(BLOCK, mood.size - first)
    if size < 5:
        return -1.0
    total = 0
    for step in (1, 2):
        total += mood[first + (i - first + step) % size]
        total += mood[first + (i - first - step + size) % size]
    return total * 2.5e-7
