"""The world: who the cardholders are, what they do, what a bank has, and the clock that ties them together."""

from cardarena.simulator.compilation import use_own_cache

use_own_cache()
